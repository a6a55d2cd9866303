//! An episode, from the claim to its verdict: the recovery function, its attempts, and what its answer leads to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::claim::Claim;
use super::death::{is_writable, size};
use super::descriptor::descriptor;
use super::fork;
use super::held::Holding;
use super::step::{Step, reached};
use super::transplant;
use crate::connection::function::{Attempt, Failure, Recovered, RecoveryError};
use crate::connection::{Connection, Episode, Verdict};
use crate::kernel::{self, file_offset, kind_of, looks_alive, pin, same_description};
use crate::sync::Arc;
use crate::sync::clock::{Moment, Slept, sleep, sleep_interruptibly};
use crate::table::{Kind, Table};

/// How an episode ended for the call that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Ended {
    Recovered,
    GivenUp,
    /// A signal ended a pause: no verdict, the call returns EINTR, and the next failure may open the episode again.
    Interrupted,
}

/// The failed call that has been granted the gate.
pub(super) struct Failed<'a> {
    pub(super) table: &'a Table<Connection>,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) number: RawFd,
    pub(super) failure: Failure,
    pub(super) interruptible: bool,
}

/// Why the attempts ended without a recovery.
#[derive(Debug, thiserror::Error)]
enum Hopeless {
    #[error(transparent)]
    Function(#[from] RecoveryError),
    #[error("the recovery function panicked: {0}")]
    Panicked(String),
    #[error("the recovery function returned a {got:?} for a {expected:?}; return a descriptor of the same kind")]
    OtherKind { expected: Kind, got: Kind },
    #[error("the recovery function says that the old descriptor is back, but it is still dead")]
    StillDead,
    #[error("the number was closed while it was being recovered")]
    Closed,
    #[error("every number of the connection has been closed")]
    AllClosed,
    #[error("the limit of recoveries is reached; raise it or reset the count")]
    Limit,
    #[error("too many recoveries are nested; recover fewer other connections from inside a recovery function")]
    TooDeep,
    #[error("a signal handler ran")]
    Interrupted,
}

/// What the recovery function has brought.
enum Repair {
    Staged(OwnedFd),
    InPlace,
}

/// Runs the episode that the caller has been granted.
pub(super) fn run(failed: &Failed<'_>) -> Ended {
    let started = Moment::now();
    reached(Step::Claimed);
    let claim = Claim::take_up(failed.table, failed.connection);
    reached(Step::Busy);

    let mut tries = Tries::of(failed);
    let answer = match Holding::begin(failed.connection) {
        Some(_holding) => tries.until_repaired(),
        None => Err(Hopeless::TooDeep),
    };
    let mut moved = 0;
    let (epoch, ended, error) = match answer {
        Ok(repair) => {
            reached(Step::Obtained);
            moved = put_in_place(failed, &tries, &repair, &claim);
            (claim.recovered(), Ended::Recovered, tries.last_error.take())
        }
        Err(Hopeless::Interrupted) => (claim.abandon(), Ended::Interrupted, None),
        Err(hopeless) => (claim.give_up(), Ended::GivenUp, Some(hopeless.to_string())),
    };
    let verdict = match ended {
        Ended::Recovered => Verdict::Recovered,
        Ended::GivenUp => Verdict::GivenUp,
        Ended::Interrupted => return ended,
    };
    announce(
        failed.connection,
        Episode {
            number: failed.number,
            failure: failed.failure,
            attempts: tries.count,
            duration: started.elapsed(),
            unread: tries.unread,
            moved,
            generation: epoch.generation(),
            verdict,
            error,
        },
    );
    ended
}

fn put_in_place(failed: &Failed<'_>, tries: &Tries<'_>, repair: &Repair, claim: &Claim<'_>) -> usize {
    let epoch = claim.epoch().after_recovery();
    let transplant = transplant::Transplant { table: failed.table, connection: failed.connection, epoch };
    match repair {
        Repair::Staged(staged) => transplant.publish(staged.as_fd(), tries.old()),
        Repair::InPlace => transplant.spread(tries.old()),
    }
}

/// The attempts of one episode.
struct Tries<'a> {
    failed: &'a Failed<'a>,
    /// A reference to the dead description that stays when its number is closed. None for files: closing a second
    /// descriptor of a file drops the process's POSIX locks on it, and flushes it.
    pin: Option<OwnedFd>,
    /// The member that stands for the dead description where there is no pin: the one whose call failed, or another
    /// one if that is closed meanwhile.
    representative: RawFd,
    deadline: Option<Moment>,
    unread: usize,
    count: u32,
    last_error: Option<String>,
}

impl<'a> Tries<'a> {
    fn of(failed: &'a Failed<'a>) -> Self {
        let kind = failed.connection.kind;
        let pin = if kind == Kind::File { None } else { pin(failed.number).ok() };
        let mut tries = Self {
            failed,
            pin,
            representative: failed.number,
            deadline: failed.connection.policy.deadline.map(Moment::after),
            unread: 0,
            count: 0,
            last_error: None,
        };
        if kind.is_socket() || kind == Kind::Pipe {
            tries.unread = kernel::unread(tries.old());
        }
        tries
    }

    /// The dead description.
    fn old(&self) -> BorrowedFd<'_> {
        self.pin.as_ref().map_or_else(|| descriptor(self.representative), AsFd::as_fd)
    }

    fn until_repaired(&mut self) -> Result<Repair, Hopeless> {
        let connection = self.failed.connection;
        let policy = &connection.policy;
        let consecutive = connection.limits.consecutive();
        if !connection.limits.admit() {
            return Err(Hopeless::Limit);
        }
        self.pause(policy.pause_before_first(consecutive))?;
        let mut pauses = policy.pauses();
        loop {
            let hopeless = match self.attempt() {
                Ok(repair) => return Ok(repair),
                Err(hopeless) => hopeless,
            };
            let again = matches!(
                hopeless,
                Hopeless::Function(RecoveryError::Again(_)) | Hopeless::StillDead | Hopeless::Closed
            );
            let over = self.deadline.is_some_and(Moment::has_passed);
            if !again || !policy.persists || over {
                return Err(hopeless);
            }
            self.last_error = Some(hopeless.to_string());
            self.pause(pauses.next().unwrap_or(policy.longest_pause))?;
        }
    }

    fn attempt(&mut self) -> Result<Repair, Hopeless> {
        self.count += 1;
        self.choose_representative()?;
        let connection = self.failed.connection;
        let function = connection.function();
        let attempt = self.context();
        let answer = catch_unwind(AssertUnwindSafe(|| function.0.recover(&attempt)));
        let recovered = match answer {
            Ok(answer) => answer?,
            Err(panic) => return Err(Hopeless::Panicked(message_of(&*panic))),
        };
        if self.pin.is_none() && !self.is_ours(self.representative) {
            return Err(Hopeless::Closed);
        }
        match recovered {
            Recovered::Staged(staged) => self.accept(staged),
            Recovered::InPlace => self.check_revived(),
        }
    }

    fn is_ours(&self, number: RawFd) -> bool {
        self.failed.table.word(number).belongs_to(self.failed.connection.identity)
    }

    /// Fails when every number of the connection has been closed: there is nothing left to recover.
    fn choose_representative(&mut self) -> Result<(), Hopeless> {
        if !self.is_ours(self.representative) {
            let numbers = self.failed.connection.numbers();
            let other = numbers.into_iter().find(|number| self.is_ours(*number));
            self.representative = other.ok_or(Hopeless::AllClosed)?;
        }
        Ok(())
    }

    fn context(&self) -> Attempt<'_> {
        let connection = self.failed.connection;
        let unshared = connection.forks_before == fork::count();
        Attempt {
            old: self.old(),
            number: self.failed.number,
            kind: connection.kind,
            failure: self.failed.failure,
            count: self.count,
            deadline: self.deadline,
            unread: self.unread,
            unsent: if connection.kind == Kind::Stream { kernel::unsent(self.old()) } else { None },
            known_size: self.acknowledged_size(),
            in_place: unshared || connection.policy.in_place_after_fork,
        }
    }

    /// The size below which the file cannot be if no acknowledged write was lost: the largest one ever seen, and the
    /// end of what a writer has written in sequence.
    fn acknowledged_size(&self) -> u64 {
        let connection = self.failed.connection;
        if connection.kind != Kind::File {
            return 0;
        }
        if is_writable(self.old())
            && let Some(offset) = file_offset(self.representative)
        {
            connection.note_size(offset);
        }
        if let Ok(stat) = rustix::fs::fstat(self.old()) {
            connection.note_size(size(&stat));
        }
        connection.known_size()
    }

    fn accept(&self, staged: OwnedFd) -> Result<Repair, Hopeless> {
        let expected = self.failed.connection.kind;
        let got = kind_of(staged.as_fd()).unwrap_or(Kind::Other);
        if got != expected {
            return Err(Hopeless::OtherKind { expected, got });
        }
        match same_description(staged.as_raw_fd(), self.old().as_raw_fd()) {
            Some(true) => self.check_revived(),
            _ => Ok(Repair::Staged(staged)),
        }
    }

    /// The function says that the old description is back. A server that has answered and gone again meanwhile has
    /// left something to read, and that is for the caller to find.
    fn check_revived(&self) -> Result<Repair, Hopeless> {
        let is_back = looks_alive(self.old()) || kernel::unread(self.old()) > 0;
        if is_back { Ok(Repair::InPlace) } else { Err(Hopeless::StillDead) }
    }

    /// Pauses, but not beyond the deadline.
    fn pause(&self, pause: Duration) -> Result<(), Hopeless> {
        let pause = self.deadline.map_or(pause, |deadline| pause.min(deadline.remaining()));
        if pause.is_zero() {
            return Ok(());
        }
        if !self.failed.interruptible {
            sleep(pause);
            return Ok(());
        }
        match sleep_interruptibly(pause) {
            Slept::Through => Ok(()),
            Slept::Interrupted => Err(Hopeless::Interrupted),
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// Tells of the episode. Only here, after the verdict: who listens may use a covered descriptor.
fn announce(connection: &Connection, episode: Episode) {
    connection.history.note(episode.clone());
    let Episode { number, attempts, generation, .. } = episode;
    let failure = &episode.failure;
    tracing::debug!(target: "ha", number, %failure, unread = episode.unread, "failed");
    tracing::debug!(target: "ha", number, attempts, "recovering");
    match episode.verdict {
        Verdict::Recovered => {
            tracing::info!(target: "ha", number, generation, attempts, duration = ?episode.duration, %failure, "recovered");
        }
        Verdict::GivenUp => {
            let error = episode.error.as_deref().unwrap_or("unknown");
            tracing::warn!(target: "ha", number, attempts, duration = ?episode.duration, %failure, error, "given up");
        }
    }
    if let Some(observer) = &connection.policy.observer {
        // The observer is the client's code: its panic must not cross the covered call.
        let _ = catch_unwind(AssertUnwindSafe(|| observer(&episode)));
    }
}
