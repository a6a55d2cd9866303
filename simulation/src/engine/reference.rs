//! What the engine should do, in a page: one thread, a few connections, a clock that is a number.

use std::collections::VecDeque;
use std::time::Duration;

use rustix::io::Errno;

use super::scenario::{Answer, Chosen, End, Faults, Milliseconds, Scenario};

/// When attempts fail for want of answers: at once, and for good.
pub(super) const NO_ANSWER: Answer = Answer { takes: Milliseconds(0), uses: None, end: End::Final };

/// How deep recovery functions may recover other connections.
const DEEPEST: usize = 8;

/// What can be seen of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) recoveries: u64,
    pub(super) consecutive: u32,
    pub(super) issued_again: u64,
}

/// What can be seen of all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) now: Duration,
    pub(super) counts: Vec<Counts>,
    /// Whose each attempt was, and when it began.
    pub(super) attempts: Vec<(usize, Duration)>,
    /// What the calls made by recovery functions have returned.
    pub(super) inner_results: Vec<Result<usize, Errno>>,
}

pub(super) struct Reference<'a> {
    scenario: &'a Scenario,
    pub(super) seen: Seen,
    pub(super) answers: VecDeque<Answer>,
    pub(super) is_dead: Vec<bool>,
    /// Episodes in each connection's life.
    episodes: Vec<u32>,
    /// Whose recovery functions are running, the innermost last.
    held: Vec<usize>,
    signals: VecDeque<Duration>,
    jitter: fastrand::Rng,
}

/// How an episode ends.
enum Ended {
    Recovered,
    GivenUp,
    Interrupted,
}

impl<'a> Reference<'a> {
    pub(super) fn new(scenario: &'a Scenario, signals: VecDeque<Duration>) -> Self {
        let count = scenario.connections.0.into();
        Self {
            scenario,
            seen: Seen { counts: vec![Counts::default(); count], ..Seen::default() },
            answers: VecDeque::new(),
            is_dead: vec![false; count],
            episodes: vec![0; count],
            held: Vec::new(),
            signals,
            jitter: fastrand::Rng::with_seed(scenario.seed),
        }
    }

    pub(super) fn forgive(&mut self, on: usize) {
        (self.episodes[on], self.seen.counts[on].consecutive) = (0, 0);
    }

    /// A dead connection is recovered until the call goes through, an episode fails, or the time of the call is over.
    pub(super) fn write(&mut self, on: usize, Faults(faults): Faults) -> Result<usize, Errno> {
        let deadline = self.scenario.deadline.map(|delay| self.seen.now + delay.duration());
        let mut original = None;
        for fault in faults.into_iter().chain(std::iter::repeat(None)) {
            let issued_again = original.is_some();
            let result = match fault {
                Some(fault) => Err(fault.errno()),
                None if self.is_dead[on] => Err(Errno::PIPE),
                None => Ok(1),
            };
            // Inside its own recovery function, a connection's calls are ordinary ones.
            if self.held.contains(&on) || result == Err(Errno::INTR) {
                return result;
            }
            if fault.map_or_else(|| result.is_ok(), |fault| !fault.is_death()) {
                if issued_again {
                    self.seen.counts[on].consecutive = 0;
                }
                return result;
            }
            let original = *original.get_or_insert(result);
            if self.is_over(deadline) {
                return original;
            }
            match self.episode(on, deadline) {
                Ended::Recovered => self.seen.counts[on].issued_again += 1,
                Ended::GivenUp => return original,
                Ended::Interrupted => return Err(Errno::INTR),
            }
        }
        unreachable!("faults end, and so do answers")
    }

    fn episode(&mut self, on: usize, deadline: Option<Duration>) -> Ended {
        let earlier = self.seen.counts[on].consecutive;
        let is_allowed = self.scenario.total.allows(self.episodes[on]) && self.scenario.in_a_row.allows(earlier);
        if self.held.len() == DEEPEST || !is_allowed {
            return Ended::GivenUp;
        }
        self.episodes[on] += 1;
        self.seen.counts[on].consecutive += 1;
        self.held.push(on);
        let ended = self.attempts(on, earlier, deadline);
        self.held.pop();
        ended
    }

    fn attempts(&mut self, on: usize, earlier: u32, deadline: Option<Duration>) -> Ended {
        let [first, longest] = [self.scenario.first_pause, self.scenario.longest_pause].map(Milliseconds::duration);
        let longest_before_first = match earlier {
            0 => self.scenario.spread.duration(),
            _ => longest.min(first * (1 << (earlier - 1).min(20))),
        };
        if self.is_interrupted_while_pausing(longest_before_first, deadline) {
            self.episodes[on] -= 1;
            self.seen.counts[on].consecutive = earlier;
            return Ended::Interrupted;
        }
        let mut next = first.min(longest);
        loop {
            self.seen.attempts.push((on, self.seen.now));
            let Answer { takes, uses, end } = self.answers.pop_front().unwrap_or(NO_ANSWER);
            self.seen.now += takes.duration();
            if let Some(Chosen(after)) = uses {
                let result = self.write((on + usize::from(after)) % self.is_dead.len(), Faults::default());
                self.seen.inner_results.push(result);
            }
            match end {
                End::Connected | End::ConnectedAndDied => {
                    self.is_dead[on] = end == End::ConnectedAndDied;
                    self.seen.counts[on].recoveries += 1;
                    return Ended::Recovered;
                }
                End::OldIsBack if !self.is_dead[on] => {
                    self.seen.counts[on].recoveries += 1;
                    return Ended::Recovered;
                }
                End::Again | End::OldIsBack if self.scenario.persists && !self.is_over(deadline) => {}
                _ => return Ended::GivenUp,
            }
            if self.is_interrupted_while_pausing(next, deadline) {
                self.seen.counts[on].consecutive = self.seen.counts[on].consecutive.saturating_sub(1);
                return Ended::Interrupted;
            }
            // As backon doubles, which rounds on the way.
            next = longest.min(Duration::from_secs_f32(2.0 * next.as_secs_f32()));
        }
    }

    /// Pauses a random part of `longest`, but not beyond the deadline.
    fn is_interrupted_while_pausing(&mut self, longest: Duration, deadline: Option<Duration>) -> bool {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(self.seen.now));
        let end = self.seen.now + longest.mul_f64(self.jitter.f64()).min(left);
        if end == self.seen.now {
            return false;
        }
        match self.signals.front() {
            Some(signal) if *signal < end => {
                self.seen.now = self.seen.now.max(*signal);
                self.signals.pop_front().is_some()
            }
            _ => {
                self.seen.now = end;
                false
            }
        }
    }

    fn is_over(&self, deadline: Option<Duration>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.seen.now)
    }
}
