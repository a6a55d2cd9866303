//! Waiting for a 32-bit word to change, and waking those who wait.
//!
//! The wait is `futex_waitv` (Linux 5.16), not `FUTEX_WAIT`: with a timeout, `FUTEX_WAIT` returns EINTR after *any*
//! handler, while `futex_waitv` takes an absolute deadline and is restarted by the kernel after a handler that was
//! installed with `SA_RESTART`. Only so can a waiter honour what the covered call promises about EINTR.
//! (`kernel/futex/waitwake.c`: `ERESTART_RESTARTBLOCK` against `ERESTARTSYS`; the tests below measure both.)

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::ClockId;

use super::AtomicU32;
use super::clock::Moment;

/// Why a [`wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    /// The word has changed, or somebody called wake, or neither: look again.
    Changed,
    TimedOut,
    /// A handler without `SA_RESTART` ran.
    Interrupted,
}

/// Sleeps while `word` holds `expected`, until it is woken or `until` has passed.
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Moment>) -> Woken {
    let timeout = until.map(Moment::timespec);
    let mut waiter = Wait::new();
    waiter.val = expected.into();
    waiter.uaddr = WaitPtr::new(word.as_ptr().cast());
    waiter.flags = WaitFlags::SIZE_U32 | WaitFlags::PRIVATE;
    match futex::waitv(&[waiter], WaitvFlags::empty(), timeout.as_ref(), ClockId::Monotonic) {
        Ok(_) | Err(Errno::AGAIN) => Woken::Changed,
        Err(Errno::TIMEDOUT) => Woken::TimedOut,
        Err(Errno::INTR) => Woken::Interrupted,
        Err(_) => wait_on_an_older_kernel(word, expected, until),
    }
}

/// Before Linux 5.16 handlers with and without `SA_RESTART` cannot be told apart: none interrupts.
#[cold]
fn wait_on_an_older_kernel(word: &AtomicU32, expected: u32, until: Option<Moment>) -> Woken {
    let timeout = until.map(Moment::timespec);
    match futex::wait_bitset(word, Flags::PRIVATE, expected, timeout.as_ref(), std::num::NonZeroU32::MAX) {
        Err(Errno::TIMEDOUT) => Woken::TimedOut,
        _ => Woken::Changed,
    }
}

/// Wakes everyone who waits for `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // It fails only for an address that is not mapped; this one is.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}
