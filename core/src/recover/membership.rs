//! Who belongs to which connection: attach, detach, join.
//!
//! Order at close: the slot is unlinked first and the number closed second, so that a number is never in the table
//! while the kernel may give it to somebody else. Order at dup: the kernel first, then the slot.

use std::os::fd::RawFd;

use rustix::fs::fstat;
use rustix::io::{self, Errno};

use super::claim;
use super::death;
use super::descriptor::descriptor;
use super::fork;
use super::waiting::{self, Patience};
use crate::connection::function::Recover;
use crate::connection::{Birth, Connection, Members, Membership, Policy, change};
use crate::error::{AttachError, NotAttached};
use crate::kernel::{is_open, kind_of, was_connected};
use crate::sync::Arc;
use crate::table::{Epoch, Kind, NoSlot, Table, Unlinked};

/// Makes `number` recoverable.
pub(crate) fn attach(
    table: &'static Table<Connection>,
    number: RawFd,
    function: Box<dyn Recover>,
    policy: Policy,
) -> Result<Arc<Connection>, AttachError> {
    fork::take_care_of(table);
    check_place(number)?;
    leave_implied(table, number);
    if table.lookup(number).is_some() {
        return Err(AttachError::AlreadyAttached(number));
    }
    let kind = kind_of(descriptor(number)).map_err(|_| AttachError::NotOpen(number))?;
    function.attached(descriptor(number)).map_err(AttachError::Refused)?;
    // Made before the change begins, and dropped after it has ended: both run code of the client.
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

    let _change = change();
    let slot = table.slot_or_grow(number).map_err(|missing| match missing {
        NoSlot::Negative => AttachError::NotOpen(number),
        NoSlot::NoMemory => AttachError::NoMemory,
    })?;
    if !slot.publish(connection.live_word(Epoch::default()), Arc::clone(&connection)) {
        return Err(AttachError::AlreadyAttached(number));
    }
    if kind.is_socket() {
        claim::note_timeouts(&connection, number);
    }
    if let Some(target) = connection.target() {
        table.note_target(&target, &connection);
    }
    Ok(connection)
}

/// A number that is a member only because it was copied from one gets a connection of its own when it is attached.
fn leave_implied(table: &Table<Connection>, number: RawFd) {
    let Some((_, connection)) = table.lookup(number) else { return };
    if connection.members.is_implied(&change(), number) {
        // Not a member any more is as good.
        let _ = detach(table, number);
    }
}

/// Replaces the recovery function of `number` and of all who share its connection.
pub(crate) fn replace(table: &Table<Connection>, number: RawFd, function: Box<dyn Recover>) -> Result<(), AttachError> {
    check_place(number)?;
    let (_, connection) = table.lookup(number).ok_or(AttachError::NothingToReplace(number))?;
    function.attached(descriptor(number)).map_err(AttachError::Refused)?;
    let (before, after) = (connection.target(), function.target());
    connection.replace_function(function, after.clone());

    let _change = change();
    if let Some(before) = before {
        table.forget_target(&before, &connection);
    }
    if let Some(after) = after {
        table.note_target(&after, &connection);
    }
    Ok(())
}

fn check_place(number: RawFd) -> Result<(), AttachError> {
    if fork::is_another_process() {
        return Err(AttachError::AnotherProcess);
    }
    if number < 0 || !is_open(number) {
        return Err(AttachError::NotOpen(number));
    }
    Ok(())
}

fn size_now(kind: Kind, number: RawFd) -> u64 {
    let stat = if kind == Kind::File { fstat(descriptor(number)).ok() } else { None };
    stat.as_ref().map_or(0, death::size)
}

/// Makes `number` an ordinary one. Waits while a transplant is moving it, and for nothing else.
///
/// In a child made by vfork nothing is done: the table is the parent's.
pub(crate) fn detach(table: &Table<Connection>, number: RawFd) -> Result<(), NotAttached> {
    let missing = NotAttached(number);
    if fork::is_another_process() {
        return Err(missing);
    }
    loop {
        let (word, connection) = table.lookup(number).ok_or(missing)?;
        let slot = table.slot(number).ok_or(missing)?;
        let identity = word.identity().ok_or(missing)?;
        // `connection` outlives the change: dropping the last reference drops the client's function.
        let change = change();
        let mut unlinked = Unlinked::NotOurs;
        connection.members.leave_if(&change, number, || {
            unlinked = slot.unlink(identity);
            unlinked == Unlinked::Out
        });
        match unlinked {
            Unlinked::Out => {
                let was_last = connection.members.numbers(&change).is_empty();
                if let (true, Some(target)) = (was_last, connection.target()) {
                    table.forget_target(&target, &connection);
                }
                return Ok(());
            }
            Unlinked::NotOurs => return Err(missing),
            Unlinked::Moving => {}
        }
        drop(change);
        let _ = waiting::for_verdict(table, &connection, &Patience::ENDLESS);
    }
}

/// Makes a copy of `source` with `copy` (dup, dup2, F_DUPFD, ...), which returns the new number, and lets it join the
/// connection of `source`. If an episode comes in between, the copy is of a description that is dead or about to be:
/// it is thrown away with `undo` and made again after the verdict.
///
/// A stale slot of the new number, left by a close behind our back, is purged.
///
/// # Errors
///
/// Those of `copy`; ENOMEM when there is no memory for the new number's slot.
pub(crate) fn duplicate(
    table: &Table<Connection>,
    source: RawFd,
    membership: Membership,
    mut copy: impl FnMut() -> io::Result<RawFd>,
    mut undo: impl FnMut(RawFd),
) -> io::Result<RawFd> {
    loop {
        let found = if fork::is_another_process() { None } else { table.lookup(source) };
        let Some((word, connection)) = found else { return purged_copy(table, &mut copy) };
        // Not only while the word says so: until an episode has come to this number, and after it, nobody could join.
        let (_, claimed) = connection.gate.look();
        if claimed {
            match waiting::for_verdict(table, &connection, &Patience::ENDLESS) {
                waiting::Verdict::Come => continue,
                // Inside its own recovery, or in a circle of them: an ordinary copy of what is there.
                _ => return purged_copy(table, &mut copy),
            }
        }
        let number = purged_copy(table, &mut copy)?;
        match join(table, source, number, membership, &connection, word.epoch()) {
            Joined::Yes | Joined::SourceHasLeft => return Ok(number),
            Joined::Overtaken => undo(number),
            Joined::NoMemory => {
                undo(number);
                return Err(Errno::NOMEM);
            }
        }
    }
}

/// Makes the copy, and forgets whoever had its number before and closed it behind our back.
fn purged_copy(table: &Table<Connection>, copy: &mut impl FnMut() -> io::Result<RawFd>) -> io::Result<RawFd> {
    let number = copy()?;
    // Not attached is what is hoped for.
    let _ = detach(table, number);
    Ok(number)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Yes,
    /// An episode has been opened since the copy was made.
    Overtaken,
    /// The source is not a member any more: the copy is an ordinary number, as the source's is.
    SourceHasLeft,
    NoMemory,
}

fn join(
    table: &Table<Connection>,
    source: RawFd,
    number: RawFd,
    membership: Membership,
    connection: &Arc<Connection>,
    noted: Epoch,
) -> Joined {
    let change = change();
    let Ok(slot) = table.slot_or_grow(number) else { return Joined::NoMemory };
    let live = connection.live_word(noted);
    // The gate is looked at under the membership lock. If it is still open at the noted epoch, the copy is of the
    // living description, and whoever claims the gate from now on finds the new member in the list.
    let joined = connection.members.join_if(&change, number, membership, || {
        connection.gate.look() == (noted, false)
            && table.word(source) == live
            && slot.publish(live, Arc::clone(connection))
    });
    if joined {
        Joined::Yes
    } else if table.word(source).belongs_to(connection.identity) {
        Joined::Overtaken
    } else {
        Joined::SourceHasLeft
    }
}
