//! Who is covered, and what is known of it.

use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::os::fd::RawFd;

use rustix::fs;
use rustix::io::Errno;

use crate::connection::function::Recover;
use crate::connection::{Connection, Policy, Report, Watch, change};
use crate::error::{AttachError, NotAttached};
use crate::kernel::borrow_number;
use crate::recover::{self, TABLE};
use crate::sync::Arc;

/// Makes `number` recoverable. One that is a member only because it was copied from a member gets a connection of its
/// own.
///
/// # Errors
///
/// Nothing has changed then; see [`AttachError`].
pub fn attach(number: RawFd, function: Box<dyn Recover>, policy: Policy) -> Result<(), AttachError> {
    recover::attach(&TABLE, number, function, policy).map(drop)
}

/// Makes `number` recoverable although the program has not asked for it: it may still be attached as if it were ordinary.
///
/// # Errors
///
/// As for [`attach`].
pub fn attach_implied(number: RawFd, function: Box<dyn Recover>, policy: Policy) -> Result<(), AttachError> {
    let connection = recover::attach(&TABLE, number, function, policy)?;
    connection.members.imply(&change(), number);
    Ok(())
}

/// Replaces the recovery function of `number` and of all who share its connection.
///
/// # Errors
///
/// The old function stays then; see [`AttachError`].
pub fn replace(number: RawFd, function: Box<dyn Recover>) -> Result<(), AttachError> {
    recover::replace(&TABLE, number, function)
}

/// Makes `number` an ordinary one; other members stay. Waits while a transplant is moving it, and for nothing else.
///
/// # Errors
///
/// EBADF when it was ordinary already.
pub fn detach(number: RawFd) -> Result<(), Errno> {
    if !TABLE.word(number).is_covered() {
        return Err(Errno::BADF);
    }
    recover::detach(&TABLE, number).map_err(|NotAttached(_)| Errno::BADF)
}

/// What `ha_connection_ctrl` can ask for. A negative limit means unlimited, zero means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Bounds the recoveries in the connection's life.
    LimitTotal(i32),
    /// Bounds the recoveries in a row whose retry died again.
    LimitInARow(i32),
    /// No recovery for now.
    Suspend,
    /// Recovery again.
    Resume,
    /// Starts the count of recoveries in a row anew.
    ForgiveInARow,
    /// Starts the count of recoveries in the connection's life anew.
    ForgiveTotal,
}

/// Changes what may be done to recover `number` and all who share its connection.
///
/// # Errors
///
/// EBADF when it is not covered.
pub fn control(number: RawFd, control: Control) -> Result<(), Errno> {
    let limits = &member(number).ok_or(Errno::BADF)?.connection.limits;
    match control {
        Control::LimitTotal(limit) => limits.set_total(limit),
        Control::LimitInARow(limit) => limits.set_in_a_row(limit),
        Control::Suspend => limits.suspend(true),
        Control::Resume => limits.suspend(false),
        Control::ForgiveInARow => limits.reset_in_a_row(),
        Control::ForgiveTotal => limits.reset_total(),
    }
    Ok(())
}

/// The covered numbers in a range, as they are now; none in a child that shares its parent's memory.
#[must_use]
pub fn covered_in(range: &RangeInclusive<RawFd>) -> Vec<RawFd> {
    if recover::fork::is_another_process() {
        return Vec::new();
    }
    TABLE.covered().map(|(number, _)| number).filter(|number| range.contains(number)).collect()
}

/// Whether anything was ever covered in this process. As long as nothing was, covers have nothing to look at.
#[inline]
#[must_use]
pub fn is_anything_covered() -> bool {
    TABLE.is_in_use()
}

/// The status flags of a number (F_GETFL), 0 if it is not open.
#[must_use]
pub fn status_flags(number: RawFd) -> i32 {
    let flags = borrow_number(number).and_then(fs::fcntl_getfl);
    flags.map_or(0, |flags| flags.bits().cast_signed())
}

/// A number that is covered.
#[derive(Debug)]
pub struct Member {
    number: RawFd,
    connection: Arc<Connection>,
}

/// The number as a member of its connection, if it is covered.
#[must_use]
pub fn member(number: RawFd) -> Option<Member> {
    let (_, connection) = TABLE.lookup(number)?;
    Some(Member { number, connection })
}

impl Member {
    /// What has happened to the connection so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.connection.report()
    }

    /// Who sees the connection's transfers.
    #[must_use]
    pub fn watch(&self) -> Option<Arc<dyn Watch>> {
        self.connection.policy.watch.clone()
    }

    /// The application has moved the offset itself, to here.
    pub fn note_seek(&self, offset: u64) {
        self.connection.note_seek(offset);
    }

    /// The application has truncated the file to this length in bytes.
    pub fn note_length(&self, length: u64) {
        self.connection.forget_size_above(length);
        // Where the offset stands beyond the new end, it says nothing of what was written there.
        if let Ok(offset) = borrow_number(self.number).and_then(fs::tell) {
            self.connection.note_seek(offset);
        }
    }

    /// The application has shut the socket down: what follows from that is not a death.
    pub fn note_shutdown(&self, how: Shutdown) {
        self.connection.note_shutdown(how);
    }

    /// The application has connected the socket.
    pub fn note_connected(&self) {
        self.connection.note_connected();
    }

    /// The application has set a lock on the file.
    pub fn note_locked(&self) {
        self.connection.note_locked();
    }

    /// Whether this is the last number of its connection, and a recovery that the program does not know of may have lost writes that
    /// no sync has reported yet. Asked by the close that reports it.
    #[must_use]
    pub fn take_losses_at_close(&self) -> bool {
        self.connection.policy.unaware && self.connection.numbers().len() == 1 && self.take_lost_writes()
    }

    /// Whether a recovery may have lost writes that no sync has reported yet. Asked by the sync that reports it.
    #[must_use]
    pub fn take_lost_writes(&self) -> bool {
        let writable = || borrow_number(self.number).is_ok_and(recover::is_writable);
        self.connection.kind == crate::Kind::File && self.connection.take_unsynced() && writable()
    }
}
