//! An episode, from the claim to its verdict: the recovery function, its attempts, and what its answer leads to.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::fs::CWD;
use rustix::io::Errno;

use super::claim::Claim;
use super::death::{file_answers, is_writable, size};
use super::descriptor::descriptor;
use super::fork;
use super::held::Holding;
use super::step::{Step, reached};
use super::transplant::{Moved, Transplant};
use crate::connection::function::{Attempt, Failure, Recovered, RecoveryError};
use crate::connection::{Connection, Episode, Function, Verdict};
use crate::kernel::{self, Uncancellable, file_offset, kind_of, looks_alive, pin_outside, same_description};
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
    /// Until when the call can wait.
    pub(super) deadline: Option<Moment>,
    /// Whether no recovery has held the call up before, so that its deadline is as good as anybody's.
    pub(super) is_first: bool,
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
    #[error("the limit of recoveries is reached: start its count anew with `Covered::forgive`")]
    Limit,
    #[error("no number is left to hold on to the dead connection with ({0}): close some descriptors")]
    NoNumber(Errno),
    #[error("too many recoveries are nested; recover fewer other connections from inside a recovery function")]
    TooDeep,
    #[error("a signal handler ran")]
    Interrupted,
    #[error("earlier recoveries have used up the time of this call")]
    OutOfTime,
}

impl Hopeless {
    /// Whether another attempt makes sense.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Function(RecoveryError::Again(_)) | Self::StillDead | Self::Closed | Self::NoNumber(_))
    }
}

/// What the recovery function has brought.
enum Repair {
    Staged(OwnedFd),
    InPlace,
}

/// Runs the episode that the caller has been granted.
pub(super) fn run(failed: &Failed<'_>) -> Ended {
    let _uncancellable = Uncancellable::begin();
    let started = Moment::now();
    reached(Step::Claimed);
    let claim = Claim::take_up(failed.table, failed.connection);
    reached(Step::Busy);

    let mut tries = Tries::of(failed, claim.numbers());
    let (verdict, moved, error) = match tries.until_repaired().and_then(|repair| tries.put(repair, &claim)) {
        Ok(moved) => (Verdict::Recovered, moved, tries.last_error.take()),
        Err(Hopeless::Interrupted) => {
            claim.abandon();
            return Ended::Interrupted;
        }
        // No verdict: those who wait may have more time, and try for themselves.
        Err(Hopeless::OutOfTime) => {
            claim.abandon();
            return Ended::GivenUp;
        }
        Err(hopeless) => (Verdict::GivenUp, Moved::default(), Some(hopeless.to_string())),
    };
    let episode = Episode {
        number: failed.number,
        failure: failed.failure,
        attempts: tries.count,
        duration: started.elapsed(),
        unread: tries.unread,
        unsent: tries.unsent,
        moved: moved.count,
        generation: claim.epoch_after(verdict).generation(),
        verdict,
        error,
        troubles: moved.troubles,
    };
    failed.connection.history.note(&episode);
    claim.end(verdict);
    announce(failed.connection, &episode);
    match verdict {
        Verdict::Recovered => Ended::Recovered,
        Verdict::GivenUp => Ended::GivenUp,
    }
}

/// What stands for the dead description while the episode lasts.
enum Old {
    /// A reference that stays when the numbers are closed.
    Pin(OwnedFd),
    /// A member, for files: closing a second descriptor of a file drops the process's POSIX locks on it, and flushes
    /// it. It is the one whose call failed, or another one if that is closed meanwhile.
    Member(RawFd),
}

impl Old {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pin(pin) => pin.as_fd(),
            Self::Member(number) => descriptor(*number),
        }
    }
}

/// The attempts of one episode.
struct Tries<'a> {
    failed: &'a Failed<'a>,
    /// The members, those included that have left since the episode began.
    numbers: &'a [RawFd],
    /// The number to recover under: the one whose call failed, or if that has been closed meanwhile, another one. What a
    /// recovery function does to it would meet a stranger.
    number: RawFd,
    old: Option<Old>,
    function: Arc<Function>,
    unread: usize,
    unsent: Option<usize>,
    count: u32,
    last_error: Option<String>,
}

impl<'a> Tries<'a> {
    fn of(failed: &'a Failed<'a>, numbers: &'a [RawFd]) -> Self {
        Self {
            failed,
            numbers,
            number: failed.number,
            old: None,
            function: failed.connection.function(),
            unread: 0,
            unsent: None,
            count: 0,
            last_error: None,
        }
    }

    /// Takes hold of the dead description, and looks at what it still holds.
    fn take_hold(&mut self) -> Result<(), Hopeless> {
        let connection = self.failed.connection;
        let old = if connection.kind == Kind::File { Old::Member(self.find_member()?) } else { self.find_pin()? };
        let old = self.old.insert(old).descriptor();
        if connection.kind.is_socket() || connection.kind == Kind::Pipe {
            self.unread = kernel::unread(old);
        }
        if connection.kind == Kind::Stream {
            self.unsent = kernel::unsent(old);
        }
        Ok(())
    }

    /// Pins a member, and looks afterwards whether the number was still ours.
    fn find_pin(&self) -> Result<Old, Hopeless> {
        // A number that was not open when it failed may be a stranger's by now, however much the table calls it ours.
        let was_open = self.failed.failure != Failure::Errno(Errno::BADF);
        if was_open
            && let Ok(pin) = self.pin(self.failed.number)
            && self.is_ours(self.failed.number)
        {
            return Ok(Old::Pin(pin));
        }
        let others = self.numbers.iter().copied();
        for number in others.filter(|number| was_open || *number != self.failed.number) {
            match self.pin(number) {
                Ok(pin) if self.is_ours(number) => return Ok(Old::Pin(pin)),
                Err(errno) if self.is_ours(number) && errno != Errno::BADF => return Err(Hopeless::NoNumber(errno)),
                Ok(_) | Err(_) => {}
            }
        }
        // Closed behind our back, every one of them. They can be put back all the same.
        self.find_member().map(Old::Member)
    }

    fn pin(&self, number: RawFd) -> Result<OwnedFd, Errno> {
        pin_outside(number, |candidate| self.failed.table.word(candidate).is_covered())
    }

    /// The number whose call failed, or if that has been closed meanwhile, another one.
    fn find_member(&self) -> Result<RawFd, Hopeless> {
        if self.is_ours(self.failed.number) {
            return Ok(self.failed.number);
        }
        self.numbers.iter().copied().find(|number| self.is_ours(*number)).ok_or(Hopeless::AllClosed)
    }

    fn is_ours(&self, number: RawFd) -> bool {
        self.failed.table.word(number).belongs_to(self.failed.connection.identity)
    }

    /// The dead description.
    fn old(&self) -> BorrowedFd<'_> {
        self.old.as_ref().map_or(CWD, Old::descriptor)
    }

    fn until_repaired(&mut self) -> Result<Repair, Hopeless> {
        let connection = self.failed.connection;
        let policy = &connection.policy;
        self.number = self.find_member()?;
        let _holding = Holding::begin(connection, self.number).ok_or(Hopeless::TooDeep)?;
        match self.take_hold() {
            // There may be a number later; each attempt looks.
            Ok(()) | Err(Hopeless::NoNumber(_)) => {}
            Err(hopeless) => return Err(hopeless),
        }
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
            let over = self.failed.deadline.is_some_and(Moment::has_passed);
            if over && hopeless.may_pass() && !self.failed.is_first {
                return Err(Hopeless::OutOfTime);
            }
            if !hopeless.may_pass() || !policy.persists || over {
                return Err(hopeless);
            }
            self.last_error = Some(hopeless.to_string());
            self.pause(pauses.next().unwrap_or(policy.longest_pause))?;
        }
    }

    fn attempt(&mut self) -> Result<Repair, Hopeless> {
        if self.old.is_none() {
            self.take_hold()?;
        }
        self.count += 1;
        if let Some(Old::Member(number)) = self.old
            && !self.is_ours(number)
        {
            self.old = Some(Old::Member(self.find_member()?));
        }
        let attempt = self.context();
        let recovered = if self.function.0.is_foreign() {
            // Nothing to catch: if its thread ends in it, the claim's guard gives the episode up.
            self.function.0.recover(&attempt)?
        } else {
            match catch_unwind(AssertUnwindSafe(|| self.function.0.recover(&attempt))) {
                Ok(answer) => answer?,
                Err(panic) => return Err(Hopeless::Panicked(message_of(&*panic))),
            }
        };
        if let Some(Old::Member(number)) = self.old
            && !self.is_ours(number)
        {
            // What the function has read off the dead description may have been a stranger's.
            return Err(Hopeless::Closed);
        }
        match recovered {
            Recovered::Staged(staged) => self.accept(staged),
            Recovered::InPlace => self.check_revived(),
        }
    }

    fn context(&self) -> Attempt<'_> {
        let connection = self.failed.connection;
        let unshared = connection.forks_before == fork::count();
        Attempt {
            old: self.old(),
            number: self.number,
            kind: connection.kind,
            failure: self.failed.failure,
            count: self.count,
            deadline: self.failed.deadline,
            unread: self.unread,
            unsent: self.unsent,
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
        if is_writable(self.old()) {
            file_offset(self.old().as_raw_fd()).into_iter().for_each(|offset| connection.note_offset(offset));
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
        let staged = self.apart(staged)?;
        match same_description(staged.as_raw_fd(), self.old().as_raw_fd()) {
            Some(true) => self.check_revived(),
            _ => Ok(Repair::Staged(staged)),
        }
    }

    /// A member that was closed behind our back has a number that the kernel gives out again, also to the recovery
    /// function. It is the member's to keep, and what is staged needs another one, or it would be closed with it.
    fn apart(&self, staged: OwnedFd) -> Result<OwnedFd, Hopeless> {
        if !self.is_ours(staged.as_raw_fd()) {
            return Ok(staged);
        }
        let member = staged.into_raw_fd();
        self.pin(member).map_err(Hopeless::NoNumber)
    }

    /// The function says that the old description is back. A server that has answered and gone again meanwhile has
    /// left something to read that was not there before, and that is for the caller to find.
    fn check_revived(&self) -> Result<Repair, Hopeless> {
        let is_back = looks_alive(self.old()) && self.server_answers() || self.has_something_new();
        if is_back { Ok(Repair::InPlace) } else { Err(Hopeless::StillDead) }
    }

    fn has_something_new(&self) -> bool {
        let unread = kernel::unread(self.old());
        unread > 0 && unread != self.unread
    }

    /// A file looks alive as long as it is open; whether its server is there, only the server can say.
    fn server_answers(&self) -> bool {
        self.failed.connection.kind != Kind::File || file_answers(self.old())
    }

    /// Puts the repair under every number.
    fn put(&mut self, repair: Repair, claim: &Claim<'_>) -> Result<Moved, Hopeless> {
        reached(Step::Obtained);
        let mut transplant = Transplant::new(self.failed.table, self.failed.connection, claim);
        if matches!(repair, Repair::Staged(_)) {
            transplant.find_watchers();
        }
        while let Some(Old::Member(number)) = self.old {
            if transplant.hold_still(number) {
                break;
            }
            self.old = Some(Old::Member(self.find_member()?));
        }
        let moved = match &repair {
            Repair::Staged(staged) => transplant.publish(staged.as_fd(), self.old()),
            Repair::InPlace => transplant.spread(self.old()),
        };
        // Before the gate opens: closing it drops POSIX locks that others may take once they are through.
        drop(repair);
        if moved.count == 0 { Err(Hopeless::AllClosed) } else { Ok(moved) }
    }

    /// Pauses, but not beyond the deadline.
    fn pause(&self, pause: Duration) -> Result<(), Hopeless> {
        let pause = self.failed.deadline.map_or(pause, |deadline| pause.min(deadline.remaining()));
        if pause.is_zero() {
            return Ok(());
        }
        if !self.failed.interruptible {
            sleep(pause);
            return Ok(());
        }
        match sleep_interruptibly(pause) {
            Slept::Through => Ok(()),
            Slept::Interrupted => {
                self.failed.connection.limits.withdraw(self.count == 0);
                Err(Hopeless::Interrupted)
            }
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

/// Tells of the episode. Only here, after the verdict: who listens may use a covered descriptor.
fn announce(connection: &Connection, episode: &Episode) {
    let Episode { number, attempts, generation, failure, duration, .. } = episode;
    tracing::debug!(target: "ha", number, %failure, "failed");
    tracing::debug!(target: "ha", number, attempts, "recovering");
    for trouble in &episode.troubles {
        tracing::warn!(target: "ha", number, trouble, "not wholly recovered");
    }
    match episode.verdict {
        Verdict::Recovered => {
            let (unread, unsent) = (episode.unread, episode.unsent);
            tracing::info!(target: "ha", number, generation, attempts, ?duration, %failure, unread, unsent, "recovered");
        }
        Verdict::GivenUp => {
            let error = episode.error.as_deref().unwrap_or("unknown");
            tracing::warn!(target: "ha", number, attempts, ?duration, %failure, error, "given up");
        }
    }
    if let Some(observer) = &connection.policy.observer {
        // The observer is the client's code: its panic must not cross the covered call.
        let _ = catch_unwind(AssertUnwindSafe(|| observer(episode)));
    }
}
