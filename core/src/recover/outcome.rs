//! What has happened to this thread's calls on a connection, for a caller that wants to know.
//!
//! A call that succeeds at once leaves no trace: the success path writes nothing. So an outcome is not "of the last
//! call" but of all calls since the thread last asked.

use std::cell::RefCell;

use smallvec::SmallVec;

use crate::sync::thread_local;
use crate::table::Identity;

/// What has happened to this thread's calls on a connection since it last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// Each was issued once.
    Intact,
    /// At least one failed and was issued again on a new connection. The server may have seen its request twice, and
    /// whatever the program had half read or half written belongs to a connection that is gone.
    Retransmitted,
    /// At least one returned the error that it had met: the connection could not be recovered, or the call was one that
    /// must not be issued again (a sync).
    GivenUp,
}

thread_local! {
    static OUTCOMES: RefCell<SmallVec<[(Identity, Outcome); 4]>> = const { RefCell::new(SmallVec::new_const()) };
}

/// How many connections one thread keeps an outcome for; of more, those that nobody has asked for longest are dropped.
const KEPT: usize = 64;

pub(crate) fn note(identity: Identity, outcome: Outcome) {
    // A thread that is ending asks no more.
    let _ = OUTCOMES.try_with(|outcomes| {
        let mut outcomes = outcomes.borrow_mut();
        if let Some((_, known)) = outcomes.iter_mut().find(|(of, _)| *of == identity) {
            *known = outcome.max(*known);
            return;
        }
        if outcomes.len() == KEPT {
            outcomes.remove(0);
        }
        outcomes.push((identity, outcome));
    });
}

pub(crate) fn take(identity: Identity) -> Outcome {
    OUTCOMES
        .try_with(|outcomes| {
            let mut outcomes = outcomes.borrow_mut();
            let position = outcomes.iter().position(|(of, _)| *of == identity);
            position.map(|position| outcomes.remove(position).1)
        })
        .ok()
        .flatten()
        .unwrap_or(Outcome::Intact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_told_once_and_the_worst_one_wins() {
        let identity = Identity::from_sequence(1).unwrap();
        note(identity, Outcome::GivenUp);
        note(identity, Outcome::Retransmitted);
        assert_eq!(take(identity), Outcome::GivenUp);
        assert_eq!(take(identity), Outcome::Intact);
    }

    #[test]
    fn a_thread_that_never_asks_does_not_remember_without_bound() {
        for sequence in 1..1000 {
            note(Identity::from_sequence(sequence).unwrap(), Outcome::Retransmitted);
        }
        assert_eq!(OUTCOMES.with_borrow(SmallVec::len), KEPT);
        assert_eq!(take(Identity::from_sequence(999).unwrap()), Outcome::Retransmitted);
    }
}
