//! A recovery function of C, as the engine sees it.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::AsRawFd;

use ha_core::number::repair;
use ha_core::{Attempt, Recover, Recovered, RecoveryError};

/// `RFp`: gets the number that failed and what was attached with it; returns the number if it is repaired, and -1 if not.
pub type RecoveryFunction = Option<unsafe extern "C-unwind" fn(c_int, *mut c_void) -> c_int>;

/// The function and its handle.
pub(super) struct Function {
    function: RecoveryFunction,
    handle: Handle,
}

/// What the application has attached: its own business, passed through.
struct Handle(*mut c_void);

// SAFETY: libha only passes it on. That the function may be called on any thread is a rule of `ha/cover.h`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Function {
    pub(super) fn boxed(function: RecoveryFunction, handle: *mut c_void) -> Box<dyn Recover> {
        Box::new(Self { function, handle: Handle(handle) })
    }
}

impl Recover for Function {
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        // Attached without a function: the connection is known, and its errors are its users'.
        let Some(function) = self.function else { return Err(refused("no recovery function was given")) };
        let number = attempt.number();
        // SAFETY: a function of this type, by the contract of ha_attach.
        let answer = unsafe { function(number, self.handle.0) };
        if answer != number {
            return Err(refused(if answer == -1 {
                "the recovery function has returned -1"
            } else {
                "the recovery function has returned another number than the one that failed"
            }));
        }
        Ok(repair::take_staged(number, attempt.old().as_raw_fd()).map_or(Recovered::InPlace, Recovered::Staged))
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

fn refused(reason: &'static str) -> RecoveryError {
    RecoveryError::Final(io::Error::other(reason))
}
