//! A member's number as a descriptor to make calls on.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::fs::CWD;

use crate::kernel::borrow_number;

/// Members are never negative; if one were, every call on what is returned would fail with EBADF.
///
/// The number may be closed at any time. Whoever uses this must not mind whose description it meets, or hold what
/// keeps the number from being closed (a word that says MOVING).
pub(super) fn descriptor<'fd>(number: RawFd) -> BorrowedFd<'fd> {
    borrow_number(number).unwrap_or(CWD)
}
