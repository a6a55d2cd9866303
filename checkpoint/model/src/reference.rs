//! The reference: what an answer does to a plain list of visits.

use crate::scenario::{Answer, Name};

/// A visit of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) node: Name,
    pub(crate) checkpoint: Option<u8>,
    /// How often its normal function was entered since it last succeeded.
    pub(crate) attempt: u32,
    /// How often in a row it was answered by a retry.
    pub(crate) failures: u32,
}

/// What is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Normal,
    RollBack,
    Finished,
    Failed,
    PastFirst,
}

/// The model. `visits` are those that were not left backwards; the last one is of the current node.
pub(crate) fn answered(visits: &mut Vec<Visit>, answer: Answer, limit: u32) -> Due {
    match answer {
        Answer::Finish => return Due::Finished,
        Answer::Fail => return Due::Failed,
        Answer::GoTo(node) => return gone_to(visits, node),
        Answer::Retry if visits.last_mut().is_some_and(|visit| visit.fails_again() < limit) => {}
        Answer::Current => {}
        Answer::Retry | Answer::Previous => drop(visits.pop()),
    }
    if visits.is_empty() { Due::PastFirst } else { Due::RollBack }
}

/// The same for a node to be visited.
pub(crate) fn gone_to(visits: &mut Vec<Visit>, node: Name) -> Due {
    if visits.last().is_none_or(|current| current.node != node) {
        visits.iter_mut().for_each(Visit::begins_anew);
        let rest = visits.iter().copied().take_while(|visit| visit.node != node);
        *visits = rest.chain([Visit { node, checkpoint: None, attempt: 0, failures: 0 }]).collect();
    }
    visits
        .iter_mut()
        .rev()
        .take(1)
        .for_each(|visit| *visit = Visit { checkpoint: None, attempt: visit.attempt + 1, ..*visit });
    Due::Normal
}

impl Visit {
    fn fails_again(&mut self) -> u32 {
        self.failures += 1;
        self.failures
    }

    pub(crate) fn begins_anew(&mut self) {
        (self.attempt, self.failures) = (0, 0);
    }
}
