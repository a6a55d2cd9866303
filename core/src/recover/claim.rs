//! The claim: the duty to end an episode. Whoever is granted the gate has one; dropping it gives the episode up.

use std::os::fd::RawFd;

use rustix::net::sockopt::{self, Timeout};

use super::descriptor::descriptor;
use super::step::{Step, reached};
use crate::connection::{Connection, Numbers, Verdict};
use crate::sync::Arc;
use crate::sync::thread::ThreadId;
use crate::table::{Epoch, Table};

#[derive(Debug)]
#[must_use]
pub(super) struct Claim<'a> {
    table: &'a Table<Connection>,
    connection: &'a Arc<Connection>,
    /// The members at the beginning. Nobody joins while the gate is claimed, so nobody else is one at the end.
    numbers: Numbers,
    ended: bool,
}

impl<'a> Claim<'a> {
    /// Takes up the duty that [`Admission::Claimed`](crate::connection::Admission::Claimed) has laid on the caller,
    /// and keeps every member's calls away from the dead description.
    pub(super) fn take_up(table: &'a Table<Connection>, connection: &'a Arc<Connection>) -> Self {
        let claim = Self::of(table, connection);
        if let (true, Some(number)) = (connection.kind.is_socket(), claim.numbers.first()) {
            note_timeouts(connection, *number);
        }
        for number in &claim.numbers {
            if let Some(slot) = table.slot(*number) {
                slot.make_busy(connection.identity);
            }
        }
        claim
    }

    fn of(table: &'a Table<Connection>, connection: &'a Arc<Connection>) -> Self {
        Self { table, connection, numbers: connection.numbers(), ended: false }
    }

    /// The members, those included that have left since.
    pub(super) fn numbers(&self) -> &[RawFd] {
        &self.numbers
    }

    /// The epoch in which the connection failed.
    fn epoch(&self) -> Epoch {
        self.connection.gate.look().0
    }

    /// The epoch to come with this verdict.
    pub(super) fn epoch_after(&self, verdict: Verdict) -> Epoch {
        match verdict {
            Verdict::Recovered => self.epoch().after_recovery(),
            Verdict::GivenUp => self.epoch().after_giving_up(),
        }
    }

    /// Ends the episode: every member's word gets the new epoch, and the gate opens.
    pub(super) fn end(mut self, verdict: Verdict) {
        if verdict == Verdict::Recovered {
            self.connection.note_recovery();
        }
        self.end_at(self.epoch_after(verdict));
    }

    /// Leaves without a verdict: whoever fails next, or waits now, may claim this epoch again.
    pub(super) fn abandon(mut self) {
        self.end_at(self.epoch());
    }

    fn end_at(&mut self, epoch: Epoch) {
        self.ended = true;
        // Words first, gate second: who passes the gate finds no member still BUSY.
        self.settle_all(epoch);
        reached(Step::Settled);
        // Only what a thread that is gone has left behind: a store visits every thread of the process.
        if self.connection.awaits.load().is_some() {
            self.connection.awaits.store(None);
        }
        self.connection.gate.open_at(epoch, ThreadId::current());
    }

    fn settle_all(&self, epoch: Epoch) {
        for number in &self.numbers {
            if let Some(slot) = self.table.slot(*number) {
                slot.settle(self.connection.identity, epoch);
            }
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end_at(self.epoch().after_giving_up());
        }
    }
}

/// A recovery function may set other timeouts on the socket meanwhile; who waits goes by the application's.
pub(super) fn note_timeouts(connection: &Connection, number: RawFd) {
    let timeout = |which| sockopt::socket_timeout(descriptor(number), which).ok().flatten();
    connection.note_timeouts(timeout(Timeout::Recv), timeout(Timeout::Send));
}

/// Ends the episode of a holder whose thread is gone (pthread_exit inside a recovery function, or a thread that a
/// fork did not copy).
pub(super) fn end_if_holder_is_gone(table: &Table<Connection>, connection: &Arc<Connection>) {
    let Some(holder) = connection.gate.holder() else { return };
    if holder.is_gone() && connection.gate.take_over(holder, ThreadId::current()) {
        drop(Claim::of(table, connection));
    }
}

/// In a forked child: ends the episode of a holder that exists in the parent only.
pub(super) fn end_for_missing_holder(table: &Table<Connection>, connection: &Arc<Connection>) {
    connection.gate.seize(ThreadId::current());
    drop(Claim::of(table, connection));
}
