//! pthread_cancel: where it may act, and where it must not.
//!
//! # Safety
//!
//! Both functions are POSIX. `pthread_setcancelstate` gets the address of a local. `pthread_testcancel` may unwind the
//! stack (hence `C-unwind`); every frame between it and the covered call keeps what it holds in guards.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::marker::PhantomData;

unsafe extern "C-unwind" {
    fn pthread_testcancel();
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

/// `PTHREAD_CANCEL_DISABLE`, the same in glibc and musl.
const DISABLE: c_int = 1;

/// A cancellation point: if this thread has been cancelled, it ends here.
pub(crate) fn cancel_here() {
    // SAFETY: see the top of this file.
    unsafe { pthread_testcancel() };
}

/// While it lives, a cancellation of this thread is kept for later.
#[must_use = "the thread can be cancelled again as soon as this is dropped"]
pub(crate) struct Uncancellable {
    before: c_int,
    /// The state belongs to one thread.
    thread: PhantomData<*const ()>,
}

impl Uncancellable {
    pub(crate) fn begin() -> Self {
        let mut before = 0;
        // SAFETY: see the top of this file; the state is a valid one, so it cannot fail.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
        Self { before, thread: PhantomData }
    }
}

impl Drop for Uncancellable {
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: as above; `before` is what the function has reported.
        unsafe { pthread_setcancelstate(self.before, &raw mut disabled) };
    }
}
