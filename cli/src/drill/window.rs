//! The window: the ledger as a connection's threads share it, with a bound on what may be outstanding.
//!
//! The lock is never held around a call on a covered descriptor. The recovery function takes it while other threads
//! wait for the recovery to end; if one of them held it, nobody would ever move again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::{Answer, Ledger};

/// How long to sleep before looking whether the drill is over.
const GLANCE: Duration = Duration::from_millis(50);

/// A ledger with a limit.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    state: Mutex<State>,
    space: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    closed: bool,
}

/// The numbers at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Requests that were never answered.
    pub(crate) lost: u64,
    /// Requests that were sent more than once.
    pub(crate) retransmitted: u64,
    /// Answers that nothing explains.
    pub(crate) duplicated: u64,
    /// Further answers that retransmission explains.
    pub(crate) repeated: u64,
}

impl Window {
    /// Lets at most `limit` requests be outstanding.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), space: Condvar::new() }
    }

    /// Begins a request as soon as there is room for it; `None` as soon as `over` says so.
    pub(crate) fn ask(&self, over: impl Fn() -> bool) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if over() {
                return None;
            }
            if state.ledger.outstanding() < self.limit {
                return Some(state.ledger.ask());
            }
            (state, _) = self.space.wait_timeout(state, GLANCE).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Begins the last request. Whoever receives its answer, and all others, knows that nothing follows.
    pub(crate) fn ask_last(&self) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        state.ledger.ask()
    }

    /// The outstanding requests, all of which the caller now sends again.
    pub(crate) fn ask_again(&self) -> Vec<u64> {
        self.lock().ledger.ask_again()
    }

    /// Notes an answer, and says whether it was the last one to come.
    pub(crate) fn answer(&self, number: u64) -> (Answer, bool) {
        let mut state = self.lock();
        let answer = state.ledger.answer(number);
        let last = state.closed && state.ledger.outstanding() == 0;
        drop(state);
        if answer == Answer::Expected {
            self.space.notify_one();
        }
        (answer, last)
    }

    /// How the account stands.
    pub(crate) fn account(&self) -> Account {
        let state = self.lock();
        Account {
            lost: state.ledger.outstanding() as u64,
            retransmitted: state.ledger.retransmitted(),
            duplicated: state.ledger.duplicated(),
            repeated: state.ledger.repeated(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_makes_the_writer_wait_for_an_answer() {
        let window = Window::new(1);
        assert_eq!(window.ask(|| false), Some(0));
        std::thread::scope(|threads| {
            let writer = threads.spawn(|| window.ask(|| false));
            assert_eq!(window.answer(0), (Answer::Expected, false));
            assert_eq!(writer.join().unwrap(), Some(1));
        });
    }

    #[test]
    fn a_writer_in_front_of_a_full_window_notices_the_end() {
        let window = Window::new(0);
        assert_eq!(window.ask(|| true), None);
    }

    #[test]
    fn the_end_is_reached_when_nothing_is_outstanding() {
        let window = Window::new(8);
        let first = window.ask(|| false).unwrap();
        let last = window.ask_last();
        assert_eq!(window.answer(last), (Answer::Expected, false));
        assert_eq!(window.account().lost, 1);
        assert_eq!(window.answer(first), (Answer::Expected, true));
        assert_eq!(window.account().lost, 0);
    }
}
