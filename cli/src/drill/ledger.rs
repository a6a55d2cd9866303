//! The ledger of one connection: what was asked, what was asked again, what was answered.
//!
//! A byte stream has no request boundary, so a recovery function sends everything outstanding again, and a server
//! that had answered just before it died makes an answer come twice. The ledger tells such an explained repetition
//! from a duplicate: a request that was sent again `k` times can be answered at most `1 + k` times.

use std::collections::{BTreeMap, HashMap};

/// Requests and answers of one connection.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: u64,
    /// Not answered yet; the value counts how often the request was sent again.
    outstanding: BTreeMap<u64, u32>,
    /// Answered, and sent more than once: how many further answers are explained.
    explained: HashMap<u64, u32>,
    retransmitted: u64,
    repeated: u64,
    duplicated: u64,
}

/// What an answer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first answer to an outstanding request.
    Expected,
    /// A further answer to a request that was sent more than once.
    Repeated,
    /// A further answer to a request that was sent once, or more answers than requests.
    Duplicate,
    /// The answer to a request that nobody has sent.
    Unasked,
}

impl Ledger {
    /// Begins the next request and returns its number.
    pub(crate) fn ask(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.outstanding.insert(number, 0);
        number
    }

    /// Notes that every outstanding request is sent again except those `left_out`, and lists them in order.
    pub(crate) fn ask_again(&mut self, left_out: impl Fn(u64) -> bool) -> Vec<u64> {
        let numbers: Vec<u64> = self.outstanding.keys().copied().filter(|number| !left_out(*number)).collect();
        numbers.into_iter().filter(|number| self.ask_again_for(*number)).collect()
    }

    /// Notes that this request is sent again; `false` when it has its answer already and need not be.
    pub(crate) fn ask_again_for(&mut self, number: u64) -> bool {
        let Some(times) = self.outstanding.get_mut(&number) else { return false };
        // A request counts once, however often it goes out.
        self.retransmitted += u64::from(*times == 0);
        *times += 1;
        true
    }

    /// Notes that a server has received a request twice although it was sent once.
    pub(crate) fn received_twice(&mut self) {
        self.duplicated += 1;
    }

    /// Whether this request has no answer yet.
    pub(crate) fn is_outstanding(&self, number: u64) -> bool {
        self.outstanding.contains_key(&number)
    }

    /// Notes an answer.
    pub(crate) fn answer(&mut self, number: u64) -> Answer {
        if number >= self.next {
            return Answer::Unasked;
        }
        if let Some(times) = self.outstanding.remove(&number) {
            if times > 0 {
                self.explained.insert(number, times);
            }
            return Answer::Expected;
        }
        match self.explained.get_mut(&number) {
            Some(left) if *left > 0 => {
                *left -= 1;
                self.repeated += 1;
                Answer::Repeated
            }
            _ => {
                self.duplicated += 1;
                Answer::Duplicate
            }
        }
    }

    /// How many requests have no answer yet.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// How many requests were sent more than once.
    pub(crate) fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// How many answers came without explanation.
    pub(crate) fn duplicated(&self) -> u64 {
        self.duplicated
    }

    /// How many further answers came that retransmission explains.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answered_request_leaves_nothing_behind() {
        let mut ledger = Ledger::default();
        let number = ledger.ask();
        assert_eq!(ledger.answer(number), Answer::Expected);
        assert_eq!((ledger.outstanding(), ledger.retransmitted(), ledger.duplicated()), (0, 0, 0));
    }

    #[test]
    fn a_second_answer_to_a_request_sent_once_is_a_duplicate() {
        let mut ledger = Ledger::default();
        let number = ledger.ask();
        ledger.answer(number);
        assert_eq!(ledger.answer(number), Answer::Duplicate);
        assert_eq!(ledger.duplicated(), 1);
    }

    #[test]
    fn a_request_sent_again_once_explains_one_repetition_and_no_more() {
        let mut ledger = Ledger::default();
        let number = ledger.ask();
        assert_eq!(ledger.ask_again(|_| false), [number]);
        assert_eq!(ledger.answer(number), Answer::Expected);
        assert_eq!(ledger.answer(number), Answer::Repeated);
        assert_eq!(ledger.answer(number), Answer::Duplicate);
        assert_eq!((ledger.retransmitted(), ledger.repeated()), (1, 1));
    }

    #[test]
    fn what_is_left_out_is_not_counted_as_sent_again() {
        let mut ledger = Ledger::default();
        let (first, second) = (ledger.ask(), ledger.ask());
        assert_eq!(ledger.ask_again(|number| number == second), [first]);
        assert_eq!(ledger.retransmitted(), 1);
        ledger.answer(second);
        assert_eq!(ledger.answer(second), Answer::Duplicate);
    }

    #[test]
    fn what_has_its_answer_is_not_sent_again() {
        let mut ledger = Ledger::default();
        let number = ledger.ask();
        ledger.answer(number);
        assert!(!ledger.ask_again_for(number));
        assert_eq!(ledger.retransmitted(), 0);
    }

    #[test]
    fn an_answer_to_nothing_is_unasked() {
        assert_eq!(Ledger::default().answer(0), Answer::Unasked);
    }

    #[test]
    fn a_request_without_answer_stays_outstanding() {
        let mut ledger = Ledger::default();
        let (first, second) = (ledger.ask(), ledger.ask());
        ledger.answer(second);
        assert_eq!(ledger.outstanding(), 1);
        assert_eq!(ledger.ask_again(|_| false), [first]);
    }

    proptest! {
        /// An honest server answers each transmission at most once, in whatever order: never a duplicate.
        #[test]
        fn honest_servers_are_never_accused(
            steps in prop::collection::vec((0..3_u8, any::<prop::sample::Index>()), 0..200),
        ) {
            let mut ledger = Ledger::default();
            let mut on_the_wire = Vec::new();
            for (step, pick) in steps {
                match step {
                    0 => on_the_wire.push(ledger.ask()),
                    1 => on_the_wire.extend(ledger.ask_again(|_| false)),
                    _ if on_the_wire.is_empty() => {}
                    _ => {
                        let number = on_the_wire.swap_remove(pick.index(on_the_wire.len()));
                        prop_assert!(matches!(ledger.answer(number), Answer::Expected | Answer::Repeated));
                    }
                }
            }
            for number in on_the_wire {
                ledger.answer(number);
            }
            prop_assert_eq!((ledger.outstanding(), ledger.duplicated()), (0, 0));
        }
    }
}
