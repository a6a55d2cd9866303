//! The covered call: issue it, and if that shows a dead connection, recover and issue it again.

use std::cell::{Cell, OnceCell};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::{self, Errno};

use super::death::{self, Diagnosis};
use super::descriptor::descriptor;
use super::episode::{self, Ended, Failed};
use super::fork;
use super::held;
use super::outcome::{self, Outcome};
use super::request::{InRegister, Request};
use super::step::{Step, reached};
use super::waiting::{self, Patience};
use crate::connection::{Admission, Connection, Operation};
use crate::kernel::{errno, pin_outside};
use crate::sync::Arc;
use crate::sync::clock::Moment;
use crate::sync::thread::ThreadId;
use crate::table::{Epoch, Identity, Kind, Table, Word};

/// Issues a call on `number` through `issue`, which is given the number to use and may be called several times.
///
/// A call that succeeds costs one load of the word and two predictable branches. The word is captured *before* the
/// call: on failure it tells which connection, generation and episode the failing call used.
#[inline]
pub(crate) fn call(
    table: &Table<Connection>,
    number: RawFd,
    request: Request,
    issue: impl FnMut(RawFd) -> io::Result<usize>,
) -> InRegister {
    call_with(table, number, table.word(number), request, issue)
}

/// The same, for a caller who has looked at the word already.
#[inline]
pub(crate) fn call_with(
    table: &Table<Connection>,
    number: RawFd,
    word: Word,
    request: Request,
    mut issue: impl FnMut(RawFd) -> io::Result<usize>,
) -> InRegister {
    if word.is_quiet() {
        let result = InRegister::from(issue(number));
        return check(table, number, word, request, result, issue);
    }
    leave_before(table, number, request, word, issue)
}

/// The same, for a caller who has made the call already, because the word was quiet.
#[inline]
pub(crate) fn check(
    table: &Table<Connection>,
    number: RawFd,
    word: Word,
    request: Request,
    result: InRegister,
    issue: impl FnMut(RawFd) -> io::Result<usize>,
) -> InRegister {
    if !word.is_covered() || request.is_met_by(result.signed()) {
        return result;
    }
    leave_after(table, number, request, word, result, issue)
}

/// The two ways off the success path. `issue` is handed over by value and lent from here on: if `call` lent it itself,
/// what it captures would have to stand in memory before every call.
#[cold]
#[inline(never)]
fn leave_after(
    table: &Table<Connection>,
    number: RawFd,
    request: Request,
    word: Word,
    result: InRegister,
    mut issue: impl FnMut(RawFd) -> io::Result<usize>,
) -> InRegister {
    // What a call has left that has failed is overwritten; who looks at errno after a success has set it to 0.
    let before = if io::Result::from(result).is_ok() { errno::get() } else { 0 };
    undisturbed(before, after_the_call(table, number, request, word, result, &mut issue))
}

#[cold]
#[inline(never)]
fn leave_before(
    table: &Table<Connection>,
    number: RawFd,
    request: Request,
    word: Word,
    mut issue: impl FnMut(RawFd) -> io::Result<usize>,
) -> InRegister {
    undisturbed(errno::get(), before_the_call(table, number, request, word, &mut issue))
}

/// A call that succeeds in the end leaves `errno` as it was before.
fn undisturbed(before: i32, result: InRegister) -> InRegister {
    if io::Result::from(result).is_ok() {
        errno::set(before);
    }
    result
}

type Issue<'a> = &'a mut dyn FnMut(RawFd) -> io::Result<usize>;

/// The call has returned something that may show a death.
fn after_the_call(
    table: &Table<Connection>,
    number: RawFd,
    request: Request,
    word: Word,
    result: InRegister,
    issue: Issue<'_>,
) -> InRegister {
    if request.by_kind && !death::may_show_one(word.kind(), result.into()) {
        return result;
    }
    let Some(call) = Troubled::find(table, number, request, word, issue) else { return result };
    let quiet = call.connection.gate.look() == (word.epoch(), false);
    if result.is(Errno::INTR) || quiet && death::is_everyday(&call.connection, result.into()) {
        return result;
    }
    // Our own calls inside a recovery function act on the dead description and never open another episode.
    if fork::is_another_process() || call.is_ours_to_end() {
        return result;
    }
    call.resolve(word.epoch(), result.into()).into()
}

/// An episode is open, or this number is being transplanted: wait first, then issue. Or neither is the case, and the
/// connection only wants to see its calls.
fn before_the_call(
    table: &Table<Connection>,
    number: RawFd,
    request: Request,
    word: Word,
    issue: Issue<'_>,
) -> InRegister {
    if word.is_settled() {
        let result = InRegister::from(issue(number));
        return if request.is_met_by(result.signed()) {
            result
        } else {
            after_the_call(table, number, request, word, result, issue)
        };
    }
    if fork::is_another_process() {
        return issue(number).into();
    }
    match Troubled::find(table, number, request, word, issue) {
        Some(call) if !call.is_ours_to_end() => call.issue_after_the_verdict(word.epoch()).into(),
        Some(call) => (call.issue)(held::standing_for(call.identity, number)).into(),
        None => Err(Errno::BADF).into(),
    }
}

/// A call that has left the success path.
struct Troubled<'a> {
    table: &'a Table<Connection>,
    number: RawFd,
    identity: Identity,
    connection: Arc<Connection>,
    request: Request,
    issue: Issue<'a>,
    /// Until when recoveries may hold this call up, all of them together.
    deadline: Option<Moment>,
    /// Until when SO_RCVTIMEO or SO_SNDTIMEO let it wait for somebody else's; known once it waits.
    promised: OnceCell<Option<Moment>>,
    /// Whether a recovery has held it up already.
    held_up: Cell<bool>,
}

/// What has become of the connection that a result came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It lives: the result stands.
    Alive,
    /// It died and is back: issue the call again.
    Recovered,
    /// It died and stays dead: the original result stands.
    GivenUp,
    Interrupted,
}

/// Where a call is issued again: a description that cannot be closed meanwhile, and the epoch it belongs to.
struct Place {
    pin: Option<OwnedFd>,
    number: RawFd,
    epoch: Epoch,
    /// Whether no episode was open.
    is_settled: bool,
}

impl Place {
    fn number(&self) -> RawFd {
        self.pin.as_ref().map_or(self.number, AsRawFd::as_raw_fd)
    }
}

/// Why a call cannot be issued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoPlace {
    /// The number is not a member of this connection any more.
    NotOurs,
    GivenUp,
    Interrupted,
}

impl<'a> Troubled<'a> {
    fn find(
        table: &'a Table<Connection>,
        number: RawFd,
        request: Request,
        word: Word,
        issue: Issue<'a>,
    ) -> Option<Self> {
        let identity = word.identity()?;
        let connection = table.entry(number, identity)?;
        let deadline = connection.policy.deadline.map(Moment::after);
        Some(Self {
            table,
            number,
            identity,
            connection,
            request,
            issue,
            deadline,
            promised: OnceCell::new(),
            held_up: Cell::new(false),
        })
    }

    /// Whether this very thread is recovering the connection.
    fn is_ours_to_end(&self) -> bool {
        // Nobody's, most of the time, and then the kernel need not be asked who we are.
        self.connection.gate.holder().is_some_and(|holder| holder == ThreadId::current())
    }

    /// Recovers and issues again until the result is one of a living connection, or nobody can help.
    fn resolve(mut self, mut captured: Epoch, mut result: io::Result<usize>) -> io::Result<usize> {
        let original = result;
        let mut issued_again = false;
        loop {
            match self.judge(captured, &mut result) {
                Judged::Alive => {
                    if issued_again {
                        self.note_through();
                    }
                    return result;
                }
                Judged::GivenUp => return self.give_up(original),
                Judged::Interrupted => return Err(Errno::INTR),
                Judged::Recovered => {}
            }
            if self.request.operation == Operation::Sync && death::is_writable(descriptor(self.number)) {
                // Repaired, but what was written before may be lost: a success would say that it is durable.
                self.connection.limits.went_through();
                self.connection.take_unsynced();
                return self.give_up(original);
            }
            reached(Step::Retrying(self.number));
            let place = match self.find_place() {
                Ok(place) => place,
                Err(NoPlace::NotOurs) => return original,
                Err(NoPlace::GivenUp) => return self.give_up(original),
                Err(NoPlace::Interrupted) => return Err(Errno::INTR),
            };
            captured = place.epoch;
            issued_again = true;
            self.connection.history.note_retransmission();
            result = (self.issue)(place.number());
            if self.request.is_met_by(InRegister::from(result).signed()) {
                self.note_through();
                return result;
            }
            if result == Err(Errno::INTR) {
                return result;
            }
        }
    }

    /// Waits for the verdict of the episode that was open when the call began, then issues it for the first time.
    ///
    /// It takes that verdict: if the episode is given up, the call meets the dead connection and returns what it meets.
    fn issue_after_the_verdict(self, began: Epoch) -> io::Result<usize> {
        reached(Step::Retrying(self.number));
        let place = match self.find_place() {
            Err(NoPlace::GivenUp) => self.find_place_at_once(),
            place => place,
        };
        let place = match place {
            Ok(place) => place,
            Err(NoPlace::Interrupted) => return Err(Errno::INTR),
            Err(NoPlace::NotOurs | NoPlace::GivenUp) => return Err(Errno::BADF),
        };
        let result = (self.issue)(place.number());
        if self.request.is_met_by(InRegister::from(result).signed()) || result == Err(Errno::INTR) {
            return result;
        }
        let given_up = place.epoch != began && place.epoch.generation() == began.generation();
        if given_up || !place.is_settled {
            return self.give_up(result);
        }
        self.resolve(place.epoch, result)
    }

    /// Finds out what has become of the connection since `captured`; opens an episode if nobody else has.
    fn judge(&mut self, captured: Epoch, result: &mut io::Result<usize>) -> Judged {
        loop {
            let (epoch, claimed) = self.connection.gate.look();
            if epoch.generation() != captured.generation() {
                return Judged::Recovered;
            }
            if epoch != captured {
                return Judged::GivenUp;
            }
            if claimed {
                match self.wait() {
                    Ok(()) => continue,
                    Err(judged) => return judged,
                }
            }
            if self.connection.limits.is_suspended() {
                return Judged::Alive;
            }
            let Diagnosis::Dead(failure) = self.diagnose(result) else { return Judged::Alive };
            if self.deadline.is_some_and(Moment::has_passed) {
                return Judged::GivenUp;
            }
            match self.connection.gate.claim(captured, ThreadId::current()) {
                Admission::Claimed => {
                    let held_up_before = self.held_up.replace(true);
                    return match episode::run(&Failed {
                        table: self.table,
                        connection: &self.connection,
                        number: self.number,
                        failure,
                        interruptible: self.request.interruptible,
                        deadline: self.deadline,
                        is_first: !held_up_before,
                    }) {
                        Ended::Recovered => Judged::Recovered,
                        Ended::GivenUp => Judged::GivenUp,
                        Ended::Interrupted => Judged::Interrupted,
                    };
                }
                Admission::Occupied | Admission::Passed(_) => {}
            }
        }
    }

    fn diagnose(&mut self, result: &mut io::Result<usize>) -> Diagnosis {
        match death::diagnose(&self.connection, self.number, &self.request, *result) {
            Diagnosis::Doubtful => {
                *result = (self.issue)(self.number);
                death::confirm_end_of_data(&self.connection, self.number, &self.request, *result)
            }
            diagnosis => diagnosis,
        }
    }

    fn wait(&self) -> Result<(), Judged> {
        self.held_up.set(true);
        match waiting::for_verdict(self.table, &self.connection, &self.patience()) {
            waiting::Verdict::Come => Ok(()),
            waiting::Verdict::TimedOut | waiting::Verdict::Circular => Err(Judged::GivenUp),
            waiting::Verdict::Interrupted => Err(Judged::Interrupted),
        }
    }

    /// Until when this call may wait for somebody else's recovery: its deadline, and what SO_RCVTIMEO or SO_SNDTIMEO
    /// promise of a call that waits for a peer.
    fn patience(&self) -> Patience {
        let promised = self.promised.get_or_init(|| {
            let timeout = match self.request.operation {
                Operation::Read { .. } => self.connection.receive_timeout(),
                Operation::Write => self.connection.send_timeout(),
                Operation::Sync | Operation::Control | Operation::Passive => None,
            };
            timeout.map(Moment::after)
        });
        Patience {
            until: [*promised, self.deadline].into_iter().flatten().min(),
            interruptible: self.request.interruptible,
            cancellable: self.request.cancellable,
        }
    }

    /// Pins the description under our number once no episode is open, as long as the number is ours.
    fn find_place(&self) -> Result<Place, NoPlace> {
        loop {
            let place = self.find_place_at_once()?;
            if place.is_settled {
                return Ok(place);
            }
            match self.wait() {
                Ok(()) => {}
                Err(Judged::Interrupted) => return Err(NoPlace::Interrupted),
                Err(_) => return Err(NoPlace::GivenUp),
            }
        }
    }

    /// Pins the description under our number, whatever its state, as long as the number is ours.
    ///
    /// On files there is no pin: closing it would drop the process's POSIX locks on the file. Without a number to spare
    /// (EMFILE) there is none either, and what protects a stranger is that the word is looked at just before the call.
    ///
    /// The second look is not too old to tell: a pin of a stranger's description comes from the kernel's table of
    /// descriptors, whose lock orders it after the close that made room for the stranger, and so after the unlinking.
    fn find_place_at_once(&self) -> Result<Place, NoPlace> {
        loop {
            let word = self.table.word(self.number);
            if !word.belongs_to(self.identity) {
                return Err(NoPlace::NotOurs);
            }
            let is_settled = !word.is_busy() && !word.is_moving();
            let wanted = is_settled && self.connection.kind != Kind::File && !self.request.by_number;
            let is_taken = |candidate| self.table.word(candidate).is_covered();
            let pin = if wanted { pin_outside(self.number, is_taken).ok() } else { None };
            if self.table.word(self.number) == word {
                return Ok(Place { pin, number: self.number, epoch: word.epoch(), is_settled });
            }
        }
    }

    fn note_through(&self) {
        self.connection.limits.went_through();
        outcome::note(self.identity, Outcome::Retransmitted);
    }

    fn give_up(&self, original: io::Result<usize>) -> io::Result<usize> {
        outcome::note(self.identity, Outcome::GivenUp);
        original
    }
}
