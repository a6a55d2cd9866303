//! The handle: what a `HC_Sequence_t *` points to, and who may do what with it.
//!
//! Its *state* says whether it is idle, running, or deleted, and changes by compare-exchange only: whoever makes it running
//! has *claimed* it, and alone uses what is inside until the claim is dropped. The *owner* is the thread of the claim.
//! `HC_` calls by functions that the sequence runs come from that thread and use the desk; any other thread is refused.
//!
//! Deleting empties a handle, but its memory is kept until 64 more have been deleted, so that a pointer to it is known for
//! what it is.
//!
//! # Safety
//!
//! * A pointer that is not null is one that `create` has returned, and at most 64 handles were deleted since this one was:
//!   the caller's part. (What was never a handle is mostly known by its state, but that is not promised.)
//! * The program is used by who has the claim, the desk by the thread that has it.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Sequence;
use crate::desk::Desk;
use crate::values::Code;

/// Deleted handles that are kept.
const KEPT: usize = 64;

/// Nobody runs it.
const IDLE: u32 = 0x4843_0001;
/// It is claimed.
const RUNNING: u32 = 0x4843_0002;
/// It is claimed, and will be deleted with the claim.
const DOOMED: u32 = 0x4843_0003;
/// It is empty.
const DELETED: u32 = 0x4843_0004;

/// What a `HC_Sequence_t *` points to.
#[allow(missing_debug_implementations, reason = "C knows nothing of its inside")]
pub struct Handle {
    state: AtomicU32,
    /// The thread that has claimed it; 0 when none has.
    owner: AtomicUsize,
    desk: Desk,
    sequence: UnsafeCell<Option<Sequence>>,
}

/// The right to use what is in a handle.
struct Claim<'a> {
    handle: &'a Handle,
    /// Whether the thread was unwinding before.
    panicking: bool,
}

/// One run, as the functions of its nodes know it.
pub(crate) struct Call {
    handle: *const Handle,
    userdata: *mut c_void,
}

/// Makes a handle.
pub(crate) fn create(sequence: Sequence) -> *mut Handle {
    Box::into_raw(Box::new(Handle {
        state: AtomicU32::new(IDLE),
        owner: AtomicUsize::new(0),
        desk: Desk::default(),
        sequence: UnsafeCell::new(Some(sequence)),
    }))
}

/// The handle that a pointer points to.
///
/// # Safety
///
/// As this module says.
pub(crate) unsafe fn find<'a>(pointer: *mut Handle) -> Result<&'a Handle, Code> {
    if !pointer.is_aligned() {
        return Err(Code::NoSequence);
    }
    // SAFETY: the caller's pointer. What it points to is only ever used by shared references.
    let handle = unsafe { pointer.as_ref() }.ok_or(Code::NoSequence)?;
    match handle.state.load(Ordering::Acquire) {
        IDLE | RUNNING | DOOMED => Ok(handle),
        _ => Err(Code::NoSequence),
    }
}

impl Handle {
    fn claim(&self) -> Result<Claim<'_>, Code> {
        // Acquire [claim]: pairs with Release [claim] in `release` and `delete`, whoever had the claim before.
        match self.state.compare_exchange(IDLE, RUNNING, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                self.owner.store(this_thread(), Ordering::Relaxed);
                Ok(Claim { handle: self, panicking: std::thread::panicking() })
            }
            Err(RUNNING | DOOMED) => Err(Code::Busy),
            Err(_) => Err(Code::NoSequence),
        }
    }

    fn release(&self) {
        // Before the state: no other thread's claim is undone. A thread reads its own number here only while it has the claim,
        // as it has put 0 after each of them itself.
        self.owner.store(0, Ordering::Relaxed);
        // Release [claim]
        if self.state.compare_exchange(RUNNING, IDLE, Ordering::Release, Ordering::Relaxed).is_err() {
            // Doomed, which nothing changes but this.
            self.state.store(DELETED, Ordering::Release);
            self.bury();
        }
    }

    /// Uses the handle from outside of its functions.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut Sequence, &Desk) -> Result<T, Code>) -> Result<T, Code> {
        let claim = self.claim()?;
        // SAFETY: the claim is this thread's, and this is the only place that uses the sequence under a claim.
        let sequence = unsafe { &mut *claim.handle.sequence.get() };
        action(sequence.as_mut().ok_or(Code::NoSequence)?, &self.desk)
    }

    /// Uses the desk from one of the functions that the sequence is running, in the thread in which it runs.
    pub(crate) fn desk(&self) -> Result<&Desk, Code> {
        if self.owner.load(Ordering::Relaxed) == this_thread() { Ok(&self.desk) } else { Err(Code::NotRunning) }
    }

    /// One run of this handle's sequence.
    pub(crate) fn call(&self, userdata: *mut c_void) -> Call {
        Call { handle: self, userdata }
    }

    /// Deletes it, now or with the claim.
    pub(crate) fn delete(&self) {
        let doom = |state| match state {
            IDLE => Some(DELETED),
            RUNNING => Some(DOOMED),
            _ => None,
        };
        // Acquire and Release [claim]
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, doom) == Ok(IDLE) {
            self.bury();
        }
    }

    /// Empties it, and frees the one that was deleted so long ago that nobody can mean it.
    fn bury(&self) {
        static BURIED: Mutex<VecDeque<Buried>> = Mutex::new(VecDeque::new());
        // SAFETY: deleted by this thread just now; there are no claims any more.
        drop(unsafe { (*self.sequence.get()).take() });
        let mut buried = BURIED.lock().unwrap_or_else(PoisonError::into_inner);
        buried.push_back(Buried(self));
        if buried.len() > KEPT
            && let Some(Buried(oldest)) = buried.pop_front()
        {
            // SAFETY: made by `create`, buried once, and as old as this module says.
            drop(unsafe { Box::from_raw(oldest.cast_mut()) });
        }
    }
}

/// A deleted handle that is kept.
struct Buried(*const Handle);

// SAFETY: the handle is empty, and its state is atomic.
unsafe impl Send for Buried {}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.panicking {
            // A panic must not reach C, and its message has been printed. (What C++ throws is none, and goes on.)
            std::process::abort();
        }
        self.handle.release();
    }
}

impl Call {
    pub(crate) fn handle(&self) -> *mut Handle {
        self.handle.cast_mut()
    }

    pub(crate) fn userdata(&self) -> *mut c_void {
        self.userdata
    }

    pub(crate) fn desk(&self) -> &Desk {
        // SAFETY: a call is lent to functions of a run, for which the handle is claimed by this thread.
        unsafe { &(*self.handle).desk }
    }
}

/// A number that no other living thread has; never 0.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}
