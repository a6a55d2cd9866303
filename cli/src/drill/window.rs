//! The window: the ledger as a connection's threads share it, with a bound on what may be outstanding.
//!
//! The lock is never held around a call on a covered descriptor. The recovery function takes it while other threads
//! wait for the recovery to end; if one of them held it, nobody would ever move again.
//!
//! # Who sends what again
//!
//! A request that is inside `send` when its server dies is libha's: it must issue the call again, once. Whatever else
//! is outstanding is the program's. So the number in `send` is left out of every round of asking again, and when its
//! call returns, the writer decides under the lock:
//!
//! | meanwhile | the call | then |
//! |---|---|---|
//! | no round | went through at once, or was issued again | later rounds include it |
//! | one round, by a recovery | was issued again | it is on the new connection, and the server is made to confirm that |
//! | rounds | went through at once | perhaps on the dead connection: the writer asks again |
//! | several rounds | was issued again | perhaps on a connection that has died since: the writer asks again |
//! | a round on the writer's own thread | claims to have gone through at once | it had failed: libha has swallowed it |
//!
//! What is asked again is marked as such, so a second request without the mark is one that libha has doubled. Since a
//! marked one only ever follows the call's return, it can never overtake the unmarked one.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use ha_core::Outcome;

use super::ledger::{Answer, Ledger};

/// How long to sleep before looking whether the drill is over.
const GLANCE: Duration = Duration::from_millis(50);

/// A ledger with a limit.
#[derive(Debug)]
pub(crate) struct Window {
    limit: usize,
    wire: Wire,
    state: Mutex<State>,
    space: Condvar,
}

/// What becomes of requests on the way when their server dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// They die with the connection; the next server gets a new one.
    Socket,
    /// They stay in the pipe, and the next server reads them in the order in which they were written.
    Pipe,
}

/// Why everything outstanding is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// A recovery has reached a new server, and nobody else can use the connection yet.
    Recovery,
    /// The answers' FIFO was opened again; the greeting of the server that did so is about to be read.
    Reopened,
    /// A new server's greeting was read, and none of its answers yet.
    Greeting,
}

/// What the writer has to do about a request whose call has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// Make sure that the server has received it: libha says that it went to this one.
    Check,
    /// Send it again, marked as such.
    Again,
    /// Complain: its call had failed and was repaired, and yet libha says that it was issued once.
    Complain,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    closed: bool,
    sending: Option<Sending>,
    /// Rounds of asking again. One that breaks off and is taken up anew by the same recovery counts once.
    rounds: u64,
    /// Whether a recovery's round is under way or has broken off.
    recovering: bool,
    /// Issued again into a pipe after its server had died: the server that reads it has not greeted yet.
    reissued: BTreeSet<u64>,
    /// Of those, the ones that the server which greeted last must answer before any later one.
    due: BTreeSet<u64>,
    /// Certainly never issued again.
    swallowed: BTreeSet<u64>,
}

/// The request that is inside `send`.
#[derive(Debug)]
struct Sending {
    number: u64,
    thread: ThreadId,
    /// How many rounds there had been when the call began.
    rounds: u64,
    /// Whether the call had failed: its own thread has carried out a recovery.
    failed: bool,
}

/// The numbers at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Requests that were never answered, or never issued again.
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
    pub(crate) fn new(limit: usize, wire: Wire) -> Self {
        Self { limit, wire, state: Mutex::default(), space: Condvar::new() }
    }

    /// Begins a request as soon as there is room for it; `None` as soon as `over` says so.
    ///
    /// From here on it is in `send`, until [`returned`](Self::returned).
    pub(crate) fn ask(&self, over: impl Fn() -> bool) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if over() {
                return None;
            }
            if state.ledger.outstanding() < self.limit {
                return Some(state.begin());
            }
            (state, _) = self.space.wait_timeout(state, GLANCE).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Begins the last request. Whoever receives its answer, and all others, knows that nothing follows.
    pub(crate) fn ask_last(&self) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        state.begin()
    }

    /// The call that sends the request begun last has returned, with this outcome.
    pub(crate) fn returned(&self, outcome: Outcome) -> Then {
        let mut state = self.lock();
        let Some(Sending { number, rounds, failed, .. }) = state.sending.take() else { return Then::Nothing };
        let rounds = state.rounds - rounds;
        let reissued = outcome == Outcome::Retransmitted;
        if failed && !reissued {
            state.swallowed.insert(number);
            return Then::Complain;
        }
        match (self.wire, rounds) {
            (Wire::Pipe, 0) if reissued && state.ledger.is_outstanding(number) => {
                state.reissued.insert(number);
                Then::Nothing
            }
            (_, 0) => Then::Nothing,
            (Wire::Socket, 1) if reissued => Then::Check,
            _ if state.ledger.ask_again_for(number) => Then::Again,
            _ => Then::Nothing,
        }
    }

    /// The call that sends a request has failed, on this thread.
    pub(crate) fn failed(&self) {
        self.lock().note_failure();
    }

    /// The outstanding requests that the caller now sends again.
    pub(crate) fn ask_again(&self, round: Round) -> Vec<u64> {
        let state = &mut *self.lock();
        match round {
            Round::Recovery => {
                state.rounds += u64::from(!std::mem::replace(&mut state.recovering, true));
                state.note_failure();
            }
            Round::Reopened => {}
            Round::Greeting => {
                state.rounds += 1;
                state.due = std::mem::take(&mut state.reissued);
            }
        }
        let State { ledger, sending, reissued, due, .. } = state;
        let sending = sending.as_ref().map(|sending| sending.number);
        ledger.ask_again(|number| Some(number) == sending || reissued.contains(&number) || due.contains(&number))
    }

    /// A recovery's round is complete.
    pub(crate) fn recovered(&self) {
        self.lock().recovering = false;
    }

    /// Notes an answer, and says whether it was the last one to come.
    pub(crate) fn answer(&self, number: u64) -> (Answer, bool) {
        let mut state = self.lock();
        let answer = state.ledger.answer(number);
        state.due.remove(&number);
        let last = state.closed && state.ledger.outstanding() == 0;
        drop(state);
        if answer == Answer::Expected {
            self.space.notify_one();
        }
        (answer, last)
    }

    /// Requests that libha says it has issued again, and has not: a server that reads in order has come past them.
    pub(crate) fn left_behind_by(&self, number: u64) -> Vec<u64> {
        let mut state = self.lock();
        let later = state.due.split_off(&number);
        let skipped = std::mem::replace(&mut state.due, later);
        state.swallowed.extend(&skipped);
        skipped.into_iter().collect()
    }

    /// The server has received this number twice, and nothing said that it was the second time.
    pub(crate) fn received_twice(&self) {
        self.lock().ledger.received_twice();
    }

    /// The server has not received this number, although libha says so. Tells whether that matters: an answer that has
    /// come meanwhile was one to a request that somebody did send.
    pub(crate) fn is_missing(&self, number: u64) -> bool {
        let mut state = self.lock();
        let is_missing = state.ledger.is_outstanding(number);
        if is_missing {
            state.swallowed.insert(number);
        }
        is_missing
    }

    /// How the account stands.
    pub(crate) fn account(&self) -> Account {
        let state = self.lock();
        let both = state.swallowed.iter().filter(|number| state.ledger.is_outstanding(**number)).count();
        Account {
            lost: (state.ledger.outstanding() + state.swallowed.len() - both) as u64,
            retransmitted: state.ledger.retransmitted(),
            duplicated: state.ledger.duplicated(),
            repeated: state.ledger.repeated(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin(&mut self) -> u64 {
        let number = self.ledger.ask();
        let thread = std::thread::current().id();
        self.sending = Some(Sending { number, thread, rounds: self.rounds, failed: false });
        number
    }

    /// A thread that recovers from inside its own call does so because that call has failed.
    fn note_failure(&mut self) {
        if let Some(sending) = self.sending.as_mut().filter(|sending| sending.thread == std::thread::current().id()) {
            sending.failed = true;
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
