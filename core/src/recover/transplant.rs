//! Putting the recovered description under every member's number.
//!
//! Member by member, with signals blocked: BUSY becomes MOVING by compare-exchange (if that fails, the number is not
//! ours any more and is left alone), the description is replaced, MOVING becomes live in the new generation. Covers that
//! close or replace a number wait while it is MOVING, so nobody else's description is ever overwritten.

use std::cell::{OnceCell, RefCell};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::io::{self, Errno};

use super::claim::Claim;
use super::death::is_writable;
use super::fork;
use super::step::{Step, reached};
use crate::connection::{Connection, Numbers, Verdict, Watched, change};
use crate::kernel::{
    self, Blocked, carry_status_flags, close_on_exec, epoll_instances, is_open, pin, place_at, registrations, replace,
    same_description,
};
use crate::sync::Arc;
use crate::table::{Epoch, Kind, Slot, Table, Unlinked};

pub(super) struct Transplant<'a> {
    table: &'a Table<Connection>,
    connection: &'a Arc<Connection>,
    /// The members, those included that have left meanwhile.
    numbers: &'a [RawFd],
    /// The epoch that the members' words get: that of the verdict.
    epoch: Epoch,
    /// A member that is MOVING from the beginning to the end: its turn comes last.
    held: Option<RawFd>,
    /// While a number is MOVING, a handler on this thread that closes it would wait for ever.
    _signals: Blocked,
    /// The epoll instances that may watch the members.
    watchers: OnceCell<Numbers>,
    troubles: RefCell<Vec<String>>,
}

/// What a transplant has done.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// How many members stand for the new description.
    pub(super) count: usize,
    pub(super) troubles: Vec<String>,
}

impl<'a> Transplant<'a> {
    pub(super) fn new(table: &'a Table<Connection>, connection: &'a Arc<Connection>, claim: &'a Claim<'_>) -> Self {
        Self {
            table,
            connection,
            numbers: claim.numbers(),
            epoch: claim.epoch_after(Verdict::Recovered),
            held: None,
            _signals: Blocked::all(),
            watchers: OnceCell::new(),
            troubles: RefCell::default(),
        }
    }

    /// Keeps a member from being closed or replaced until the transplant has ended, because it stands for the old
    /// description. False: it is not ours any more.
    #[must_use]
    pub(super) fn hold_still(&mut self, number: RawFd) -> bool {
        let slot = self.table.slot(number);
        let held = slot.is_some_and(|slot| slot.begin_move(self.connection.identity));
        if held {
            self.held = Some(number);
        }
        held
    }

    /// Puts `staged` under every member that stands for `old`.
    pub(super) fn publish(self, staged: BorrowedFd<'_>, old: BorrowedFd<'_>) -> Moved {
        let kind = self.connection.kind;
        if let Err(errno) = carry_status_flags(old, staged) {
            self.complain(format!("the status flags of the old description are lost: {errno}"));
        }
        if kind.is_socket() {
            // Who sleeps in a call on the old description would sleep on; dup3 alone does not wake anybody.
            kernel::wake_blocked(old);
        }
        let slow_to_close = kind == Kind::File && is_writable(old) && kernel::is_remote_writable(old);
        let count = self.each(|number| self.replace_member(staged, number, Some(old), slow_to_close));
        if let (Some(signal), false) = (self.connection.policy.kick, kind.is_socket())
            && let Err(errno) = kernel::kick_threads(signal.get())
        {
            self.complain(format!("threads on the old description cannot be moved with signal {signal}: {errno}"));
        }
        Moved { count, troubles: self.troubles.into_inner() }
    }

    /// `old` lives again: members that stand for another description get a copy of it.
    pub(super) fn spread(self, old: BorrowedFd<'_>) -> Moved {
        let count = self.each(|number| self.replace_member(old, number, None, false));
        Moved { count, troubles: self.troubles.into_inner() }
    }

    /// Whether a number that does not stand for the old description was closed and reused behind our back: what it stands
    /// for is somebody else's.
    ///
    /// After a fork that cannot be told from a member that another thread was moving when the child was made.
    fn is_strangers(&self, old: BorrowedFd<'_>) -> bool {
        self.connection.forks_before == fork::count() && is_open(old.as_raw_fd())
    }

    fn each(&self, put: impl Fn(RawFd) -> io::Result<()>) -> usize {
        let others = self.numbers.iter().copied().filter(|number| Some(*number) != self.held);
        let moved = |number: &RawFd| self.table.slot(*number).is_some_and(|slot| self.one(*number, slot, &put));
        others.chain(self.held).filter(moved).count()
    }

    /// Moves one member. False: the number is not ours any more, or could not be repaired and is now ordinary.
    fn one(&self, number: RawFd, slot: &Slot<Connection>, put: &impl Fn(RawFd) -> io::Result<()>) -> bool {
        let identity = self.connection.identity;
        if self.held != Some(number) && !slot.begin_move(identity) {
            return false;
        }
        reached(Step::Moving(number));
        let put = put(number);
        reached(Step::Moved(number));
        let Err(errno) = put else { return slot.settle(identity, self.epoch) };
        self.complain(format!("{number} cannot be replaced and is an ordinary descriptor from now on: {errno}"));
        // Unlinked and nothing else: the number keeps its description, and its calls their results.
        let unlink = || slot.unlink_moving(identity) == Unlinked::Out;
        self.connection.members.leave_if(&change(), number, unlink);
        false
    }

    /// Puts `new` under `number`, if that stands for `old` where there is one.
    fn replace_member(
        &self,
        new: BorrowedFd<'_>,
        number: RawFd,
        old: Option<BorrowedFd<'_>>,
        slow_to_close: bool,
    ) -> io::Result<()> {
        // A recovery function may have been given a member's own number, if that was closed behind our back.
        let aside = if new.as_raw_fd() == number { Some(pin(number)?) } else { None };
        let new = aside.as_ref().map_or(new, AsFd::as_fd);
        let stands_for = |one: BorrowedFd<'_>| same_description(one.as_raw_fd(), number);
        let stands_for_old = old.and_then(|old| if old.as_raw_fd() == number { Some(true) } else { stands_for(old) });
        if stands_for_old != Some(true) && stands_for(new) == Some(true) {
            return Ok(());
        }
        let close_on_exec = match close_on_exec(number) {
            Ok(close_on_exec) => close_on_exec,
            // Closed behind our back. The number may be a stranger's by now, and then it is left alone.
            Err(_) if place_at(new, number, true)? => return Ok(()),
            Err(errno) => return Err(errno),
        };
        if stands_for_old == Some(false) && old.is_some_and(|old| self.is_strangers(old)) {
            return Err(Errno::BADF);
        }
        // The order matters: once the old description is gone from the number, epoll cannot be told to forget it.
        let mut registrations = registrations(number, self.watchers());
        registrations.retain(|registration| registration.remove() == Ok(true));
        let replaced = if slow_to_close {
            kernel::replace_without_waiting(new, number, close_on_exec)
        } else {
            replace(new, number, close_on_exec)
        };
        for registration in &registrations {
            if let Err(errno) = registration.restore() {
                self.complain(format!("{number} is no longer watched by epoll {}: {errno}", registration.epoll));
            }
        }
        replaced
    }

    /// Looks for whoever may watch the members. Before a number is MOVING, as whoever closes it waits from then on; where
    /// that has not been done, when the first member is to be replaced.
    pub(super) fn find_watchers(&self) {
        self.watchers();
    }

    fn watchers(&self) -> &[RawFd] {
        self.watchers.get_or_init(|| match &self.connection.policy.watched {
            Watched::Nowhere => Numbers::new(),
            Watched::Everywhere => epoll_instances().into_iter().collect(),
            Watched::By(instances) => instances.iter().copied().collect(),
        })
    }

    /// Keeps a trouble for the time after the verdict: a log may need what this thread holds.
    fn complain(&self, trouble: String) {
        self.troubles.borrow_mut().push(trouble);
    }
}
