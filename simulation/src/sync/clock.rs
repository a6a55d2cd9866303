//! A clock of each thread's own, which stands still unless the thread sleeps or waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static SIGNALS: RefCell<VecDeque<Duration>> = const { RefCell::new(VecDeque::new()) };
}

/// A moment on the virtual clock, as the time since the scenario began.
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

/// Why a [`sleep_interruptibly`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    Through,
    Interrupted,
}

/// Passes `delay` at once, or the time until the next signal.
pub(crate) fn sleep_interruptibly(delay: Duration) -> Slept {
    if wait_until(NOW.get().saturating_add(delay)) { Slept::Interrupted } else { Slept::Through }
}

/// Passes `delay` at once.
pub(crate) fn sleep(delay: Duration) {
    let end = NOW.get().saturating_add(delay);
    while wait_until(end) {}
}

/// Moves the clock to `end`, or to the next signal if that comes first: then it returns true.
pub(super) fn wait_until(end: Duration) -> bool {
    SIGNALS.with_borrow_mut(|signals| match signals.front() {
        Some(signal) if *signal < end => {
            NOW.set(NOW.get().max(*signal));
            signals.pop_front();
            true
        }
        _ => {
            NOW.set(NOW.get().max(end));
            false
        }
    })
}

impl Moment {
    pub(crate) fn since_the_beginning(self) -> Duration {
        self.0
    }
}

/// Begins a scenario: time zero, and signal handlers without SA_RESTART at these times, which must be sorted.
pub(crate) fn begin(signals: impl IntoIterator<Item = Duration>) {
    NOW.set(Duration::ZERO);
    SIGNALS.set(signals.into_iter().collect());
}

/// Lets time pass: a server that is slow, a call that blocks.
pub(crate) fn pass(delay: Duration) {
    NOW.set(NOW.get().saturating_add(delay));
}
