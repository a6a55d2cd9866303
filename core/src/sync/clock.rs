//! Time: moments on the monotonic clock, deadlines, and a sleep that a signal can end.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::AtomicU32;
use super::futex::{self, Woken};

/// A moment on `CLOCK_MONOTONIC`, as the time since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        Self(Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0)))
    }

    /// The moment `delay` from now; as late as can be said when that overflows.
    pub(crate) fn after(delay: Duration) -> Self {
        Self(Self::now().0.saturating_add(delay).min(LATEST))
    }

    /// What is left until this moment: zero once it has passed.
    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    pub(crate) fn has_passed(self) -> bool {
        self <= Self::now()
    }

    /// The time that has gone by since this moment.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    pub(super) fn timespec(self) -> Timespec {
        Timespec { tv_sec: i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX), tv_nsec: self.0.subsec_nanos().into() }
    }
}

/// The kernel refuses timeouts beyond what it can count in signed nanoseconds (292 years).
const LATEST: Duration = Duration::from_secs(i64::MAX as u64 / 1_000_000_000);

/// Why a [`sleep_interruptibly`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    Through,
    /// A handler without `SA_RESTART` ran.
    Interrupted,
}

/// Sleeps for `delay`. Unlike nanosleep(2), a handler with `SA_RESTART` does not cut it short.
pub(crate) fn sleep_interruptibly(delay: Duration) -> Slept {
    let nobody_wakes = AtomicU32::new(0);
    let until = Moment::after(delay);
    loop {
        match futex::wait(&nobody_wakes, 0, Some(until)) {
            Woken::TimedOut => return Slept::Through,
            Woken::Interrupted => return Slept::Interrupted,
            Woken::Changed => {}
        }
    }
}

/// Sleeps for `delay`, whatever signals come.
pub(crate) fn sleep(delay: Duration) {
    let until = Moment::after(delay);
    while sleep_interruptibly(until.remaining()) == Slept::Interrupted {}
}
