//! Plays a scenario on the engine, and compares it with the reference after every event.
//!
//! An assertion is what a check is for.

#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::connection::{Connection, Membership, Policy};
use crate::kernel::{borrow_number, same_description};
use crate::recover::{self, Request, TABLE};
use crate::reference::{Expected, NO_ANSWER, Reference, Seen};
use crate::scenario::{Answer, End, Event, Milliseconds, Scenario};
use crate::sync::clock;

/// More issues of one call than this are a loop without an end: each needs an answer, and there are fewer of them.
const MOST_ISSUES: usize = 400;

/// The server, and what it is going to answer.
#[derive(Default)]
struct Server {
    /// The far ends of all connections that were ever made.
    far: Vec<UnixStream>,
    answers: VecDeque<Answer>,
    attempts: Vec<Duration>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Server>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> OwnedFd {
        let (near, far) = UnixStream::pair().expect("there are descriptors");
        far.set_nonblocking(true).expect("it is a socket");
        self.lock().far.push(far);
        near.into()
    }

    fn die(&self) {
        self.lock().far.last().map_or(Ok(()), |far| far.shutdown(Shutdown::Both)).expect("it is a socket");
    }
}

impl Recover for Shared {
    fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        let answer = {
            let mut server = self.lock();
            server.attempts.push(clock::Moment::now().since_the_beginning());
            server.answers.pop_front()
        };
        clock::pass(answer.map_or(Duration::ZERO, |answer| answer.takes.duration()));
        match answer.map_or(NO_ANSWER, |answer| answer.end) {
            End::Connected => Ok(Recovered::Staged(self.connect())),
            End::ConnectedAndDied => {
                let near = self.connect();
                self.die();
                Ok(Recovered::Staged(near))
            }
            End::Again => Err(RecoveryError::Again(ErrorKind::ConnectionRefused.into())),
            End::Final => Err(RecoveryError::Final(ErrorKind::PermissionDenied.into())),
            // Without the message that a panic prints.
            End::Panic => std::panic::resume_unwind(Box::new("the function's own panic")),
            End::WrongKind => {
                let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
                Ok(Recovered::Staged(event))
            }
            End::StillDead => Ok(Recovered::InPlace),
        }
    }
}

/// What has come to pass in scenarios.
#[derive(Clone, Copy, Debug, Default)]
pub struct Played {
    /// Calls that went through, some of them after recoveries.
    pub written: usize,
    /// Calls that returned the death.
    pub broken: usize,
    /// Calls that a signal ended.
    pub interrupted: usize,
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
        play.assert_at_rest();
    }
    let seen = reference.seen;
    let played = Played { recoveries: seen.recoveries, attempts: seen.attempts.len(), ..play.played };
    play.end();
    played
}

struct Play {
    server: Shared,
    connection: Arc<Connection>,
    members: Vec<OwnedFd>,
    played: Played,
}

impl Play {
    fn begin(scenario: &Scenario) -> Self {
        let server = Shared::default();
        let first = server.connect();
        let policy = Policy {
            deadline: scenario.deadline.map(Milliseconds::duration),
            persists: scenario.persists,
            first_pause: scenario.first_pause.duration(),
            longest_pause: scenario.longest_pause.duration(),
            spread: scenario.spread.duration(),
            watched: crate::connection::Watched::Nowhere,
            ..Policy::persistent()
        };
        let connection = recover::attach(&TABLE, first.as_raw_fd(), Box::new(server.clone()), policy)
            .unwrap_or_else(|error| panic!("{error}"));
        connection.limits.set_total(scenario.total.as_c());
        connection.limits.set_in_a_row(scenario.in_a_row.as_c());
        Self { server, connection, members: vec![first], played: Played::default() }
    }

    fn happen(&mut self, event: Event, reference: &mut Reference<'_>) {
        match event {
            Event::Write(member) => {
                let result = write(self.member(member));
                let expected = reference.write();
                let (expected, count) = match expected {
                    Expected::Written => (Ok(1), &mut self.played.written),
                    Expected::BrokenPipe => (Err(Errno::PIPE), &mut self.played.broken),
                    Expected::Interrupted => (Err(Errno::INTR), &mut self.played.interrupted),
                };
                *count += 1;
                assert_eq!(result, expected);
            }
            Event::Die => {
                self.server.die();
                reference.is_dead = true;
            }
            Event::Pass(delay) => {
                clock::pass(delay.duration());
                reference.seen.now += delay.duration();
            }
            Event::Duplicate(member) => self.duplicate(member),
            Event::Close(member) if self.members.len() > 1 => {
                let member = self.members.swap_remove(usize::from(member) % self.members.len());
                assert!(recover::detach(&TABLE, member.as_raw_fd()).is_ok());
            }
            Event::Close(_) => {}
            Event::Forgive => {
                self.connection.limits.reset_total();
                self.connection.limits.reset_in_a_row();
                reference.forgive();
            }
            Event::Answer(answer) => {
                self.server.lock().answers.push_back(answer);
                reference.answers.push_back(answer);
            }
        }
    }

    fn member(&self, member: u8) -> RawFd {
        self.members[usize::from(member) % self.members.len()].as_raw_fd()
    }

    fn duplicate(&mut self, member: u8) {
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

    fn seen(&self) -> Seen {
        let report = self.connection.report();
        Seen {
            now: clock::Moment::now().since_the_beginning(),
            recoveries: report.recoveries,
            attempts: self.server.lock().attempts.clone(),
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

    /// Every byte that was acknowledged has arrived, once; and nobody has kept a descriptor of any connection.
    fn end(self) {
        for member in self.members {
            assert!(recover::detach(&TABLE, member.as_raw_fd()).is_ok());
        }
        let mut arrived = 0;
        for far in &self.server.lock().far {
            let mut bytes = Vec::new();
            (&*far).read_to_end(&mut bytes).expect("a descriptor of this connection was kept");
            arrived += bytes.len();
        }
        assert_eq!(arrived, self.played.written, "bytes that have arrived");
    }
}

/// One byte, under the covers.
fn write(number: RawFd) -> Result<usize, Errno> {
    let mut issues = 0;
    let issue = |number| {
        issues += 1;
        assert!(issues < MOST_ISSUES, "a call is issued again and again");
        send(borrow_number(number)?.as_fd(), b"x", SendFlags::NOSIGNAL)
    };
    recover::call(&TABLE, number, Request::write(1), issue).into()
}
