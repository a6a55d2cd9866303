//! Plays a scenario on the engine, and compares it with the reference after every event.
//!
//! An assertion is what a check is for.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::reference::{Counts, Reference, Seen};
use super::scenario::{Chosen, Event, Faults, Milliseconds, Scenario};
use super::server::{Again, Server};
use crate::connection::{Connection, Membership, Policy, Watched};
use crate::kernel::{borrow_number, same_description};
use crate::recover::{self, Request, TABLE};
use crate::sync::clock;

/// More issues of one call than this are a loop without an end: each needs an answer, and there are fewer of them.
const MOST_ISSUES: usize = 400;

/// What has come to pass in scenarios.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Calls that went through, some of them after recoveries.
    pub written: usize,
    /// Calls that returned the death.
    pub broken: usize,
    /// Calls that a signal ended.
    pub interrupted: usize,
    /// Calls that returned an error that is no death.
    pub refused: usize,
    /// Calls that recovery functions made on other connections.
    pub inner: usize,
    /// Successful recoveries.
    pub recoveries: u64,
    /// Calls of recovery functions.
    pub attempts: usize,
}

impl std::ops::AddAssign for Played {
    fn add_assign(&mut self, other: Self) {
        self.written += other.written;
        self.broken += other.broken;
        self.interrupted += other.interrupted;
        self.refused += other.refused;
        self.inner += other.inner;
        self.recoveries += other.recoveries;
        self.attempts += other.attempts;
    }
}

/// Plays `scenario` and fails where the engine and the reference part.
pub fn check(scenario: &Scenario) -> Played {
    let mut end = Duration::ZERO;
    let signals: VecDeque<Duration> = scenario
        .signals
        .iter()
        .map(|delay| {
            end += delay.duration();
            end
        })
        .collect();
    clock::begin(signals.iter().copied());
    fastrand::seed(scenario.seed);
    let mut play = Play::begin(scenario);
    let mut reference = Reference::new(scenario, signals);
    for event in &scenario.events {
        play.happen(*event, &mut reference);
        assert_eq!(play.seen(), reference.seen, "after {event:?}");
        play.lines.iter().for_each(Line::assert_at_rest);
    }
    play.end(&reference.seen)
}

/// A covered connection and those who use it.
struct Line {
    connection: Arc<Connection>,
    members: Vec<OwnedFd>,
}

struct Play {
    server: Server,
    lines: Vec<Line>,
    played: Played,
}

impl Play {
    fn begin(scenario: &Scenario) -> Self {
        let server = Server::default();
        let lines = (0..scenario.connections.0.into()).map(|client| Line::attach(&server, client, scenario)).collect();
        Self { server, lines, played: Played::default() }
    }

    fn happen(&mut self, event: Event, reference: &mut Reference<'_>) {
        let count = self.lines.len();
        match event {
            Event::Write(line, member, faults) => {
                let line = line.of(count);
                let result = write(self.lines[line].member(member), faults);
                assert_eq!(result, reference.write(line, faults), "the result");
                *match result {
                    Ok(_) => &mut self.played.written,
                    Err(Errno::INTR) => &mut self.played.interrupted,
                    Err(Errno::PIPE | Errno::CONNRESET | Errno::TIMEDOUT | Errno::HOSTUNREACH) => {
                        &mut self.played.broken
                    }
                    Err(_) => &mut self.played.refused,
                } += 1;
            }
            Event::Die(line) => {
                self.server.die(line.of(count));
                reference.is_dead[line.of(count)] = true;
            }
            Event::Restart => {
                (0..count).for_each(|line| self.server.die(line));
                reference.is_dead.fill(true);
            }
            Event::Pass(delay) => {
                clock::pass(delay.duration());
                reference.seen.now += delay.duration();
            }
            Event::Duplicate(line, member) => self.lines[line.of(count)].duplicate(member),
            Event::Close(line, member) => {
                let number = self.lines[line.of(count)].close(member);
                self.server.lock().clients[line.of(count)].number = number;
            }
            Event::Forgive(line) => {
                let limits = &self.lines[line.of(count)].connection.limits;
                limits.reset_total();
                limits.reset_in_a_row();
                reference.forgive(line.of(count));
            }
            Event::Answer(answer) => {
                self.server.lock().answers.push_back(answer);
                reference.answers.push_back(answer);
            }
        }
    }

    fn seen(&self) -> Seen {
        let state = self.server.lock();
        Seen {
            now: clock::Moment::now().since_the_beginning(),
            counts: self.lines.iter().map(Line::counts).collect(),
            attempts: state.attempts.clone(),
            inner_results: state.inner_results.clone(),
        }
    }

    /// Every byte that was acknowledged has arrived, once; and nobody has kept a descriptor of any connection.
    fn end(self, seen: &Seen) -> Played {
        for member in self.lines.into_iter().flat_map(|line| line.members) {
            assert!(recover::detach(&TABLE, member.as_raw_fd()).is_ok());
        }
        let mut arrived = 0;
        for far in self.server.lock().clients.iter().flat_map(|client| &client.far) {
            let mut bytes = Vec::new();
            (&*far).read_to_end(&mut bytes).expect("a descriptor of this connection was kept");
            arrived += bytes.len();
        }
        let written_inside = seen.inner_results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(arrived, self.played.written + written_inside, "bytes that have arrived");
        Played {
            recoveries: seen.counts.iter().map(|counts| counts.recoveries).sum(),
            attempts: seen.attempts.len(),
            inner: seen.inner_results.len(),
            ..self.played
        }
    }
}

impl Line {
    fn attach(server: &Server, client: usize, scenario: &Scenario) -> Self {
        let first = server.connect(client);
        server.lock().clients[client].number = first.as_raw_fd();
        let policy = Policy {
            deadline: scenario.deadline.map(Milliseconds::duration),
            persists: scenario.persists,
            first_pause: scenario.first_pause.duration(),
            longest_pause: scenario.longest_pause.duration(),
            spread: scenario.spread.duration(),
            watched: Watched::Nowhere,
            ..Policy::persistent()
        };
        let function = Box::new(Again { server: server.clone(), client });
        let connection =
            recover::attach(&TABLE, first.as_raw_fd(), function, policy).unwrap_or_else(|error| panic!("{error}"));
        connection.limits.set_total(scenario.total.as_c());
        connection.limits.set_in_a_row(scenario.in_a_row.as_c());
        Self { connection, members: vec![first] }
    }

    fn member(&self, member: Chosen) -> RawFd {
        self.members[member.of(self.members.len())].as_raw_fd()
    }

    fn duplicate(&mut self, member: Chosen) {
        let source = self.member(member);
        let mut copied = None;
        let copy = || {
            let number = rustix::io::fcntl_dupfd_cloexec(borrow_number(source)?, 3)?;
            Ok(copied.insert(number).as_raw_fd())
        };
        let number = recover::duplicate(&TABLE, source, Membership::Asked, copy, |_| ());
        assert_eq!(number.ok(), copied.as_ref().map(AsRawFd::as_raw_fd));
        self.members.extend(copied);
    }

    /// Returns a number that stays.
    fn close(&mut self, member: Chosen) -> RawFd {
        if self.members.len() > 1 {
            let member = self.members.swap_remove(member.of(self.members.len()));
            assert!(recover::detach(&TABLE, member.as_raw_fd()).is_ok());
        }
        self.members[0].as_raw_fd()
    }

    fn counts(&self) -> Counts {
        let report = self.connection.report();
        Counts {
            recoveries: report.recoveries,
            consecutive: self.connection.limits.consecutive(),
            issued_again: report.retransmitted,
        }
    }

    /// No episode is open, and all members stand for one description, in the epoch of their gate.
    fn assert_at_rest(&self) {
        let (epoch, is_claimed) = self.connection.gate.look();
        assert!(!is_claimed, "the gate is closed");
        let first = self.members[0].as_raw_fd();
        for member in &self.members {
            let word = TABLE.word(member.as_raw_fd());
            assert!(word.is_settled() && word.belongs_to(self.connection.identity), "{word:?}");
            assert_eq!(word.epoch(), epoch);
            let is_the_same = member.as_raw_fd() == first || same_description(first, member.as_raw_fd()) == Some(true);
            assert!(is_the_same, "a member was forgotten");
        }
    }
}

/// One byte, under the covers, by a call that meets these faults first.
pub(super) fn write(number: RawFd, Faults(faults): Faults) -> Result<usize, Errno> {
    let mut faults = faults.into_iter();
    let mut issues = 0;
    let issue = |number| {
        issues += 1;
        assert!(issues < MOST_ISSUES, "a call is issued again and again");
        match faults.next().flatten() {
            Some(fault) => Err(fault.errno()),
            None => send(borrow_number(number)?.as_fd(), b"x", SendFlags::NOSIGNAL),
        }
    };
    recover::call(&TABLE, number, Request::write(1), issue).into()
}
