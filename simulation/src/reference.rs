//! What the engine should do, in a page: one thread, one connection, a clock that is a number.

use std::collections::VecDeque;
use std::time::Duration;

use crate::scenario::{Answer, End, Milliseconds, Scenario};

/// When attempts fail for want of answers: at once, and for good.
pub(crate) const NO_ANSWER: End = End::Final;

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Written,
    BrokenPipe,
    Interrupted,
}

/// What can be seen of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) now: Duration,
    pub(crate) recoveries: u64,
    /// When each attempt began.
    pub(crate) attempts: Vec<Duration>,
    pub(crate) consecutive: u32,
    pub(crate) issued_again: u64,
}

pub(crate) struct Reference<'a> {
    scenario: &'a Scenario,
    pub(crate) seen: Seen,
    pub(crate) answers: VecDeque<Answer>,
    pub(crate) is_dead: bool,
    episodes: u32,
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
    pub(crate) fn new(scenario: &'a Scenario, signals: VecDeque<Duration>) -> Self {
        let jitter = fastrand::Rng::with_seed(scenario.seed);
        let (seen, answers) = (Seen::default(), VecDeque::new());
        Self { scenario, seen, answers, is_dead: false, episodes: 0, signals, jitter }
    }

    pub(crate) fn forgive(&mut self) {
        (self.episodes, self.seen.consecutive) = (0, 0);
    }

    /// A dead connection is recovered until the call goes through, an episode fails, or the time of the call is over.
    pub(crate) fn write(&mut self) -> Expected {
        let deadline = self.scenario.deadline.map(|delay| self.seen.now + delay.duration());
        let mut is_again = false;
        while self.is_dead {
            if self.is_over(deadline) {
                return Expected::BrokenPipe;
            }
            match self.episode(deadline) {
                Ended::GivenUp => return Expected::BrokenPipe,
                Ended::Interrupted => return Expected::Interrupted,
                Ended::Recovered => (is_again, self.seen.issued_again) = (true, self.seen.issued_again + 1),
            }
        }
        if is_again {
            self.seen.consecutive = 0;
        }
        Expected::Written
    }

    fn episode(&mut self, deadline: Option<Duration>) -> Ended {
        let earlier = self.seen.consecutive;
        if !self.scenario.total.allows(self.episodes) || !self.scenario.in_a_row.allows(earlier) {
            return Ended::GivenUp;
        }
        (self.episodes, self.seen.consecutive) = (self.episodes + 1, earlier + 1);
        let [first, longest] = [self.scenario.first_pause, self.scenario.longest_pause].map(Milliseconds::duration);
        let longest_before_first = match earlier {
            0 => self.scenario.spread.duration(),
            _ => longest.min(first * (1 << (earlier - 1).min(20))),
        };
        if self.is_interrupted_while_pausing(longest_before_first, deadline) {
            (self.episodes, self.seen.consecutive) = (self.episodes - 1, earlier);
            return Ended::Interrupted;
        }
        let mut next = first.min(longest);
        loop {
            self.seen.attempts.push(self.seen.now);
            let answer = self.answers.pop_front();
            self.seen.now += answer.map_or(Duration::ZERO, |answer| answer.takes.duration());
            match answer.map_or(NO_ANSWER, |answer| answer.end) {
                end @ (End::Connected | End::ConnectedAndDied) => {
                    (self.seen.recoveries, self.is_dead) = (self.seen.recoveries + 1, end == End::ConnectedAndDied);
                    return Ended::Recovered;
                }
                End::Again | End::StillDead if self.scenario.persists && !self.is_over(deadline) => {}
                _ => return Ended::GivenUp,
            }
            if self.is_interrupted_while_pausing(next, deadline) {
                self.seen.consecutive = self.seen.consecutive.saturating_sub(1);
                return Ended::Interrupted;
            }
            // As backon doubles: rounded to the nanosecond.
            next = longest.min(next.mul_f32(2.0));
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
