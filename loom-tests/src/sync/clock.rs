//! Time in a model: it stands still while anybody can run.

use std::cell::Cell;
use std::time::Duration;

thread_local! {
    // All threads of a model share one thread of the system, hence this.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn after(delay: Duration) -> Self {
        Self(NOW.get().saturating_add(delay))
    }

    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_sub(NOW.get())
    }

    pub(crate) fn has_passed(self) -> bool {
        self.0 <= NOW.get()
    }

    pub(crate) fn elapsed(self) -> Duration {
        NOW.get().saturating_sub(self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    Through,
    Interrupted,
}

/// Nobody else's step depends on how long it takes.
pub(crate) fn sleep_interruptibly(_: Duration) -> Slept {
    crate::checker::thread::yield_now();
    Slept::Through
}

pub(crate) fn sleep(_: Duration) {
    crate::checker::thread::yield_now();
}

/// An execution begins.
pub(crate) fn begin() {
    NOW.set(Duration::ZERO);
}

/// Everybody sleeps, so this moment comes.
pub(super) fn passes(to: Moment) {
    NOW.set(NOW.get().max(to.0));
}

/// Whether anybody had to wait for time to pass.
pub(crate) fn has_moved() -> bool {
    !NOW.get().is_zero()
}
