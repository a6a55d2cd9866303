//! What a recovery function's own calls on the number under repair do.
//!
//! To the function it looks as if it worked on the number: it may close it, open it again, put another descriptor on it, seek and
//! read and write on it. To everybody else nothing has happened yet: what it does goes to the *staged* description, which
//! the transplant puts under all numbers once the function has returned.

use std::os::fd::{OwnedFd, RawFd};

use rustix::io::{self, Errno};

use crate::covered::adopt_number;
use crate::kernel::{pin_outside, same_description};
use crate::recover::{TABLE, fork, held};
use crate::sync::thread::ThreadId;
use crate::table::Identity;

/// Whether the calling thread is inside the recovery function of `number`'s connection.
#[inline]
#[must_use]
pub fn is_under_way_here(number: RawFd) -> bool {
    !held::is_nothing() && connection(number).is_some()
}

/// Whether the calling thread is inside any recovery function.
#[inline]
#[must_use]
pub fn is_any_under_way_here() -> bool {
    !held::is_nothing()
}

/// The number to issue calls on: the staged description's inside a recovery function, -1 if the function has closed its
/// number, and `number` itself for everybody else.
#[inline]
#[must_use]
pub fn standing_for(number: RawFd) -> RawFd {
    if held::is_nothing() {
        return number;
    }
    connection(number).map_or(number, |connection| held::standing_for(connection, number))
}

/// Stages `description` as the new one.
///
/// # Errors
///
/// The description comes back when the calling thread is not inside the number's recovery function.
pub fn stage(number: RawFd, description: OwnedFd) -> Result<(), OwnedFd> {
    match connection(number) {
        Some(connection) => {
            held::stage(connection, description);
            Ok(())
        }
        None => Err(description),
    }
}

/// Stages a copy of `source`, and returns `number`.
///
/// # Errors
///
/// Those of F_DUPFD_CLOEXEC, see fcntl(2).
pub fn stage_copy(number: RawFd, source: RawFd) -> io::Result<RawFd> {
    stage(number, pin_outside(source, is_covered)?).map_err(|_| Errno::BADF)?;
    Ok(number)
}

/// The recovery function closes the number under repair. False: it is another number, to be closed as usual.
#[must_use]
pub fn close(number: RawFd) -> bool {
    !held::is_nothing() && connection(number).is_some_and(|connection| held::close(connection, number))
}

/// Takes what the recovery function of `number` has staged. If that is nothing, but the number has got another description
/// than `old` by some call that did not pass here, a copy of that.
#[must_use]
pub fn take_staged(number: RawFd, old: RawFd) -> Option<OwnedFd> {
    let staged = connection(number).and_then(held::take_staged);
    staged.or_else(|| {
        let replaced = same_description(number, old) == Some(false);
        let pin = if replaced { pin_outside(number, is_covered).ok() } else { None };
        // Looked at afterwards: a number that has left the connection may be a stranger's.
        pin.filter(|_| membership(number).is_some())
    })
}

/// See [`fresh`](super::fresh).
#[inline]
pub(super) fn instead_of(made: RawFd) -> RawFd {
    if held::is_nothing() { made } else { instead_of_inside(made) }
}

#[cold]
fn instead_of_inside(made: RawFd) -> RawFd {
    if fork::is_another_process() {
        // A child of vfork inside a recovery function: what it opens is its own.
        return made;
    }
    match held::lowest_closed_below(made) {
        Some((connection, number)) if held::stage(connection, adopt_number(made)) => number,
        _ => made,
    }
}

/// The connection that the calling thread recovers, if it does so under this number or if this is a member.
///
/// The number that the recovery function was called with stays the connection's to the function, also when another thread has closed
/// it meanwhile: what it does there is not meant for a stranger who has been given the number since.
fn connection(number: RawFd) -> Option<Identity> {
    if fork::is_another_process() {
        return None;
    }
    held::recovered_under(number).or_else(|| membership(number))
}

/// The connection of `number`, if the calling thread holds its gate.
fn membership(number: RawFd) -> Option<Identity> {
    let (word, connection) = TABLE.lookup(number)?;
    connection.gate.is_held_by(ThreadId::current()).then(|| word.identity())?
}

fn is_covered(number: RawFd) -> bool {
    TABLE.word(number).is_covered()
}
