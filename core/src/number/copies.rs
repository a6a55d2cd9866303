//! Numbers that are made, copied and replaced.

use std::os::fd::RawFd;

use rustix::io;

use super::repair;
use crate::connection::Membership;
use crate::kernel::is_open;
use crate::recover::{self, TABLE, fork};

/// Makes a copy of `source` with `copy`, which is given the number to copy and returns the new one (dup, F_DUPFD).
///
/// The copy of a member is a member: `asked` for, or by implication. What a copy made in vain leaves behind is closed
/// with `undo`.
///
/// # Errors
///
/// Those of `copy`; ENOMEM when there is no memory for the new number's slot.
pub fn duplicate(
    source: RawFd,
    asked: bool,
    mut copy: impl FnMut(RawFd) -> io::Result<RawFd>,
    undo: impl FnMut(RawFd),
) -> io::Result<RawFd> {
    if repair::is_under_way_here(source) {
        return copy(repair::standing_for(source)).map(fresh);
    }
    recover::duplicate(&TABLE, source, membership(asked), || copy(source), undo)
}

/// Puts a copy of `source` under `target` with `copy` (dup2, dup3), which is given the number to copy.
///
/// A target that was covered leaves its connection first, and a source that is covered takes the target into its own.
/// A recovery function that does this to the number under repair stages the copy instead.
///
/// # Errors
///
/// Those of `copy`; a source that is not open changes nothing.
pub fn duplicate_onto(
    source: RawFd,
    target: RawFd,
    mut copy: impl FnMut(RawFd) -> io::Result<RawFd>,
) -> io::Result<RawFd> {
    let standing = repair::standing_for(source);
    if source == target || fork::is_another_process() || !is_open(standing) {
        return copy(source);
    }
    if repair::is_under_way_here(target) {
        return repair::stage_copy(target, standing);
    }
    // Not attached is as good.
    let _ = super::detach(target);
    if standing != source {
        return copy(standing);
    }
    // A copy that an episode has overtaken is not closed: its number must not be free, and the next copy replaces it.
    recover::duplicate(&TABLE, source, membership(false), || copy(source), |_| ())
}

fn membership(asked: bool) -> Membership {
    if asked { Membership::Asked } else { Membership::Implied }
}

/// To be called with every number that the kernel has just given out: returns the number that the program is to see.
///
/// Whoever had the number before and closed it behind our back is forgotten. If the calling recovery function believes that it
/// has closed the number under repair, and that would now be the lowest free one, the new description is staged and the
/// program sees that number, as after a real close.
#[inline]
#[must_use]
pub fn fresh(made: RawFd) -> RawFd {
    forget_stale(made);
    repair::instead_of(made)
}

/// The same for a number whose owner cannot be told another one: a stream's, or one that came in a message.
#[inline]
pub fn forget_stale(made: RawFd) {
    // Under repair here it was really closed, and the function has it back.
    if made >= 0 && TABLE.word(made).is_covered() && !repair::is_under_way_here(made) {
        // Not attached any more is as good.
        let _ = super::detach(made);
    }
}
