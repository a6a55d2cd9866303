//! Putting the recovered description under every member's number.
//!
//! Member by member, with signals blocked: BUSY becomes MOVING by compare-exchange (if that fails, the number is not
//! ours any more and is left alone), the description is replaced, MOVING becomes live in the new generation. Covers that
//! close or replace a number wait while it is MOVING, so nobody else's description is ever overwritten.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::io::{self, Errno};
use smallvec::SmallVec;

use super::death::is_writable;
use super::step::{Step, reached};
use crate::connection::{Connection, Watched, change};
use crate::kernel::{
    self, Blocked, EpollSearch, Registration, carry_status_flags, close_on_exec, is_open, pin, place_at, registrations,
    replace, same_description,
};
use crate::sync::Arc;
use crate::table::{Epoch, Kind, Slot, Table, Unlinked};

pub(super) struct Transplant<'a> {
    pub(super) table: &'a Table<Connection>,
    pub(super) connection: &'a Arc<Connection>,
    /// The epoch that the members' words get: that of the verdict.
    pub(super) epoch: Epoch,
}

impl Transplant<'_> {
    /// Puts `staged` under every member; returns how many have it.
    pub(super) fn publish(&self, staged: BorrowedFd<'_>, old: BorrowedFd<'_>) -> usize {
        let kind = self.connection.kind;
        if let Err(errno) = carry_status_flags(old, staged) {
            tracing::warn!(target: "ha", %errno, "the status flags of the old description are lost");
        }
        if kind.is_socket() {
            // Who sleeps in a call on the old description would sleep on; dup3 alone does not wake anybody.
            kernel::wake_blocked(old);
        }
        let slow_to_close = kind == Kind::File && is_writable(old) && kernel::is_remote_writable(old);
        let moved = self.each_member(|number| self.replace_member(staged, number, slow_to_close));
        if let (Some(signal), false) = (self.connection.policy.kick, kind.is_socket())
            && let Err(errno) = kernel::kick_threads(signal)
        {
            tracing::warn!(target: "ha", signal, %errno, "threads on the old description cannot be moved");
        }
        moved
    }

    /// `old` lives again: members that stand for another description get a copy of it.
    pub(super) fn spread(&self, old: BorrowedFd<'_>) -> usize {
        self.each_member(|number| self.replace_member(old, number, false))
    }

    fn each_member(&self, put: impl Fn(RawFd) -> io::Result<()>) -> usize {
        let numbers = self.connection.numbers();
        let ours = |number: &RawFd| self.table.slot(*number).is_some_and(|slot| self.one(*number, slot, &put));
        numbers.iter().filter(|number| ours(number)).count()
    }

    /// Moves one member. False: the number is not ours any more, or could not be repaired and is now ordinary.
    fn one(&self, number: RawFd, slot: &Slot<Connection>, put: &impl Fn(RawFd) -> io::Result<()>) -> bool {
        let identity = self.connection.identity;
        let _signals = Blocked::all();
        if !slot.begin_move(identity) {
            return false;
        }
        reached(Step::Moving(number));
        let put = put(number);
        reached(Step::Moved(number));
        if let Err(errno) = put {
            tracing::warn!(target: "ha", number, %errno, "cannot be replaced; it is an ordinary descriptor from now on");
            // Unlinked and nothing else: the number keeps its dead description, and its calls their errors.
            if let Unlinked::Entry(_) = slot.unlink_moving(identity) {
                self.connection.members.leave(&change(), number);
            }
            return false;
        }
        slot.settle(identity, self.epoch)
    }

    fn replace_member(&self, new: BorrowedFd<'_>, number: RawFd, slow_to_close: bool) -> io::Result<()> {
        // A recovery function may have been given a member's own number, if that was closed behind our back.
        let aside = if new.as_raw_fd() == number { Some(pin(number)?) } else { None };
        let new = aside.as_ref().map_or(new, AsFd::as_fd);
        if same_description(new.as_raw_fd(), number) == Some(true) {
            return Ok(());
        }
        if !is_open(number) {
            // Closed behind our back. The number may be a stranger's by now, and then it is left alone.
            return if place_at(new, number, true)? { Ok(()) } else { Err(Errno::BADF) };
        }
        let close_on_exec = close_on_exec(number)?;
        // The order matters: once the old description is gone from the number, epoll cannot be told to forget it.
        let mut watchers = self.watchers(number);
        watchers.retain(|watcher| watcher.remove() == Ok(true));
        let replaced = if slow_to_close {
            kernel::replace_without_waiting(new, number, close_on_exec)
        } else {
            replace(new, number, close_on_exec)
        };
        for watcher in &watchers {
            if let Err(errno) = watcher.restore() {
                tracing::warn!(target: "ha", number, epoll = watcher.epoll, %errno, "is no longer watched by epoll");
            }
        }
        replaced
    }

    fn watchers(&self, number: RawFd) -> SmallVec<[Registration; 2]> {
        match &self.connection.policy.watched {
            Watched::Nowhere => SmallVec::new(),
            Watched::Everywhere => registrations(number, EpollSearch::Everywhere),
            Watched::By(instances) => registrations(number, EpollSearch::Noted(instances)),
        }
    }
}
