//! Who belongs to which connection: attach, detach, join.
//!
//! Order at close: the slot is unlinked first and the number closed second, so that a number is never in the table
//! while the kernel may give it to somebody else. Order at dup: the kernel first, then the slot.

use std::os::fd::RawFd;

use rustix::fs::fstat;
use rustix::io;

use super::death;
use super::descriptor::descriptor;
use super::fork;
use super::waiting;
use crate::connection::function::Recover;
use crate::connection::{Birth, Connection, Members, Policy, change};
use crate::error::{AttachError, NotAttached};
use crate::kernel::{is_open, kind_of, was_connected};
use crate::sync::Arc;
use crate::table::{Epoch, Kind, NoSlot, Table, Unlinked};

/// What to do about a number that has a recovery function already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave it alone: an error.
    Keep,
    /// Replace its function, for all members; a number without one is an error.
    Replace,
}

/// Makes `number` recoverable.
pub(crate) fn attach(
    table: &'static Table<Connection>,
    number: RawFd,
    function: Box<dyn Recover>,
    policy: Policy,
    existing: Existing,
) -> Result<Arc<Connection>, AttachError> {
    fork::take_care_of(table);
    if number < 0 || !is_open(number) {
        return Err(AttachError::NotOpen(number));
    }
    match (table.lookup(number), existing) {
        (Some(_), Existing::Keep) => return Err(AttachError::AlreadyAttached(number)),
        (None, Existing::Replace) => return Err(AttachError::NothingToReplace(number)),
        (Some((_, connection)), Existing::Replace) => {
            function.attached(descriptor(number)).map_err(AttachError::Refused)?;
            connection.replace_function(function);
            return Ok(connection);
        }
        (None, Existing::Keep) => {}
    }
    let kind = kind_of(descriptor(number)).map_err(|_| AttachError::NotOpen(number))?;
    function.attached(descriptor(number)).map_err(AttachError::Refused)?;

    let change = change();
    let slot = table.slot_or_grow(number).map_err(|missing| match missing {
        NoSlot::Negative => AttachError::NotOpen(number),
        NoSlot::NoMemory => AttachError::NoMemory,
    })?;
    let connection = Arc::new(Connection::new(Birth {
        identity: table.new_identity(),
        kind,
        members: Members::of(number),
        function,
        policy,
        forks_before: fork::count(),
        connected: !kind.is_socket() || was_connected(descriptor(number)),
        size: size_now(kind, number),
    }));
    if !slot.publish(connection.live_word(Epoch::default()), Arc::clone(&connection)) {
        return Err(AttachError::AlreadyAttached(number));
    }
    if let Some(target) = &connection.target {
        table.note_target(target.clone(), &connection);
    }
    drop(change);
    Ok(connection)
}

fn size_now(kind: Kind, number: RawFd) -> u64 {
    let stat = if kind == Kind::File { fstat(descriptor(number)).ok() } else { None };
    stat.as_ref().map_or(0, death::size)
}

/// Makes `number` an ordinary one. Waits while a transplant is moving it, and for nothing else.
pub(crate) fn detach(table: &Table<Connection>, number: RawFd) -> Result<Arc<Connection>, NotAttached> {
    let missing = NotAttached(number);
    loop {
        let slot = table.slot(number).ok_or(missing)?;
        let identity = slot.word().identity().ok_or(missing)?;
        let change = change();
        match slot.unlink(identity) {
            Unlinked::Entry(connection) => {
                let was_last = connection.members.leave(&change, number);
                if let (true, Some(target)) = (was_last, &connection.target) {
                    table.forget_target(target, &connection);
                }
                return Ok(connection);
            }
            Unlinked::NotOurs => return Err(missing),
            Unlinked::Moving => {}
        }
        drop(change);
        if let Some(connection) = slot.entry(identity) {
            let _ = waiting::for_verdict(table, &connection, None, false);
        }
    }
}

/// Makes a copy of `source` with `copy` (dup, dup2, F_DUPFD, ...), which returns the new number, and lets it join the
/// connection of `source`. If an episode comes in between, the copy is of a description that is dead or about to be:
/// it is thrown away with `undo` and made again after the verdict.
///
/// A stale slot of the new number, left by a close behind our back, is purged.
pub(crate) fn duplicate(
    table: &Table<Connection>,
    source: RawFd,
    mut copy: impl FnMut() -> io::Result<RawFd>,
    mut undo: impl FnMut(RawFd),
) -> io::Result<RawFd> {
    loop {
        let found = table.lookup(source);
        let Some((word, connection)) = found else {
            let number = copy()?;
            purge(table, number);
            return Ok(number);
        };
        if word.is_busy() || word.is_moving() {
            match waiting::for_verdict(table, &connection, None, false) {
                waiting::Verdict::Come => continue,
                // Inside its own recovery function, or in a circle of them: an ordinary copy of what is there.
                _ => return copy(),
            }
        }
        let number = copy()?;
        purge(table, number);
        if join(table, source, number, &connection, word.epoch()) {
            return Ok(number);
        }
        undo(number);
    }
}

fn join(table: &Table<Connection>, source: RawFd, number: RawFd, connection: &Arc<Connection>, noted: Epoch) -> bool {
    let change = change();
    let Ok(slot) = table.slot_or_grow(number) else {
        // The copy stays an ordinary number: dup itself has succeeded.
        return true;
    };
    let live = connection.live_word(noted);
    // The gate is looked at under the membership lock. If it is still open at the noted epoch, the copy is of the
    // living description, and whoever claims the gate from now on finds the new member in the list.
    let joined = connection.members.join_if(&change, number, || {
        connection.gate.look() == (noted, false)
            && table.word(source) == live
            && slot.publish(live, Arc::clone(connection))
    });
    joined || !table.word(source).belongs_to(connection.identity)
}

/// Forgets a number that the kernel has just given out anew: whoever had it closed it behind our back.
fn purge(table: &Table<Connection>, number: RawFd) {
    // Not attached is what is hoped for.
    let _ = detach(table, number);
}
