//! A futex for one thread: nobody else could change the word, so a wait ends at its deadline, or with a signal.

use super::clock::{self, Moment};
use super::{AtomicU32, Ordering};

/// Why a [`wait`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    Changed,
    TimedOut,
    Interrupted,
}

/// Passes the time until `until`.
///
/// # Panics
///
/// Without a deadline: the scenario would sleep for ever.
#[allow(clippy::panic)]
pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Moment>) -> Woken {
    if word.load(Ordering::Relaxed) != expected {
        return Woken::Changed;
    }
    let Some(until) = until else { panic!("a wait that nobody can end") };
    if clock::wait_until(until.since_the_beginning()) { Woken::Interrupted } else { Woken::TimedOut }
}

pub(crate) fn wake_all(_: &AtomicU32) {}
