//! Who is running: thread and process identities as the kernel knows them.

use std::num::NonZeroU32;

use rustix::fs::{Access, access};
use rustix::io::Errno;

/// A kernel thread id. Asked of the kernel each time, on failure paths only: it is right in a forked child, and a
/// thread-local copy would not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(NonZeroU32);

impl ThreadId {
    pub(crate) fn current() -> Self {
        let raw = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        Self(NonZeroU32::new(raw).unwrap_or(NonZeroU32::MIN))
    }

    pub(crate) fn from_raw(raw: u32) -> Option<Self> {
        NonZeroU32::new(raw).map(Self)
    }

    pub(crate) fn as_raw(self) -> u32 {
        self.0.get()
    }

    /// Whether this thread has ended. False when that cannot be told (no /proc).
    pub(crate) fn is_gone(self) -> bool {
        access(format!("/proc/self/task/{}", self.0), Access::EXISTS) == Err(Errno::NOENT)
            && access("/proc/self/task", Access::EXISTS).is_ok()
    }
}

/// This process, as getpid(2) says: another one in every child, vforked ones included.
pub(crate) fn process_id() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}
