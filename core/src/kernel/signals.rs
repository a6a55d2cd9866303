//! The signal mask of this thread.
//!
//! # Safety
//!
//! `pthread_sigmask` and its kin get pointers to local signal sets only. They are libc's own, so that the signals that
//! libc keeps for itself (cancellation, setuid) stay unblocked.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Blocks signals of this thread until it is dropped, then restores the mask that was there.
#[must_use = "the signals are blocked only as long as this lives"]
pub(crate) struct Blocked {
    before: libc::sigset_t,
    /// The mask belongs to one thread.
    thread: PhantomData<*const ()>,
}

impl Blocked {
    /// Blocks every signal.
    pub(crate) fn all() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `set` is writable, and sigfillset fills it whole.
        unsafe { libc::sigfillset(set.as_mut_ptr()) };
        // SAFETY: filled by the line above.
        Self::these(&unsafe { set.assume_init() })
    }

    fn these(set: &libc::sigset_t) -> Self {
        let mut before = empty_set();
        // SAFETY: both sets are valid for the call, and SIG_BLOCK is a valid request; it cannot fail then.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set, &raw mut before) };
        Self { before, thread: PhantomData }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `before` is the mask that pthread_sigmask has reported.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

/// Runs `write` so that a SIGPIPE it raises is never delivered.
///
/// A SIGPIPE that was pending before is left pending; the one from the write merges with it.
pub fn without_sigpipe<R>(write: impl FnOnce() -> R) -> R {
    if sigpipe_is_pending() {
        // Pending means blocked: nothing can be delivered, and nothing of ours may be taken away.
        return write();
    }
    let sigpipe = sigpipe_set();
    let _blocked = Blocked::these(&sigpipe);
    // Dropped before the mask is restored, also when `write` panics.
    let _consumed = Consume(&sigpipe);
    write()
}

/// Takes a pending signal of the set away when dropped.
struct Consume<'set>(&'set libc::sigset_t);

impl Drop for Consume<'_> {
    fn drop(&mut self) {
        if !sigpipe_is_pending() {
            return;
        }
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            // SAFETY: the set and the time are valid for the call; no information is asked for.
            let taken = unsafe { libc::sigtimedwait(self.0, std::ptr::null_mut(), &raw const now) };
            if taken != -1 || super::errno::last() != rustix::io::Errno::INTR {
                return;
            }
        }
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `set` is writable, and sigemptyset fills it whole.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: filled by the line above.
    unsafe { set.assume_init() }
}

fn sigpipe_set() -> libc::sigset_t {
    let mut set = empty_set();
    // SAFETY: an initialised set and a valid signal number.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

fn sigpipe_is_pending() -> bool {
    let mut pending = empty_set();
    // SAFETY: `pending` is writable.
    unsafe { libc::sigpending(&raw mut pending) };
    // SAFETY: an initialised set and a valid signal number.
    unsafe { libc::sigismember(&raw const pending, libc::SIGPIPE) == 1 }
}

/// Whether SIGPIPE is raised on this thread by what runs. It is never delivered.
#[cfg(test)]
pub(crate) fn raises_sigpipe(run: impl FnOnce()) -> bool {
    let sigpipe = sigpipe_set();
    let _blocked = Blocked::these(&sigpipe);
    let _consumed = Consume(&sigpipe);
    run();
    sigpipe_is_pending()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A write that raises SIGPIPE, under the disposition of a C program; Rust's test harness ignores the signal.
    fn broken_pipe_write() -> i32 {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let errno = rustix::io::write(&writer, b"x").unwrap_err();
        errno.raw_os_error()
    }

    fn with_default_sigpipe(test: impl FnOnce()) {
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: only the disposition changes; the other tests that break pipes expect EPIPE with either.
        let before = unsafe { libc::signal(libc::SIGPIPE, counted as *const () as libc::sighandler_t) };
        test();
        // SAFETY: the disposition that was there.
        unsafe { libc::signal(libc::SIGPIPE, before) };
    }

    extern "C" fn counted(_signal: libc::c_int) {}

    fn mask_blocks_sigpipe() -> bool {
        let mut now = empty_set();
        // SAFETY: asks for the mask only.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut now) };
        // SAFETY: an initialised set.
        unsafe { libc::sigismember(&raw const now, libc::SIGPIPE) == 1 }
    }

    #[test]
    fn a_broken_pipe_leaves_no_pending_signal() {
        with_default_sigpipe(|| {
            assert_eq!(without_sigpipe(broken_pipe_write), libc::EPIPE);
            assert!(!sigpipe_is_pending());
            assert!(!mask_blocks_sigpipe());
        });
    }

    #[test]
    fn a_signal_that_was_pending_before_stays_pending() {
        with_default_sigpipe(|| {
            let set = sigpipe_set();
            let blocked = Blocked::these(&set);
            broken_pipe_write();
            assert!(sigpipe_is_pending());
            without_sigpipe(broken_pipe_write);
            assert!(sigpipe_is_pending());
            drop(Consume(&set));
            assert!(!sigpipe_is_pending());
            drop(blocked);
        });
    }

    #[test]
    fn the_mask_is_restored_after_a_panic() {
        let _ = std::panic::catch_unwind(|| without_sigpipe(|| panic!("expected by this test")));
        assert!(!mask_blocks_sigpipe());
        let outer = Blocked::all();
        drop(Blocked::all());
        assert!(mask_blocks_sigpipe());
        drop(outer);
        assert!(!mask_blocks_sigpipe());
    }
}
