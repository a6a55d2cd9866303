//! Taking ownership of a number that the kernel has just given out.
//!
//! # Safety
//!
//! The caller is the one that made the number, and hands over the only owner it has.

#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

pub(super) fn adopt_number(number: RawFd) -> OwnedFd {
    // SAFETY: see the top of this file; both callers pass what `F_DUPFD_CLOEXEC` has returned to them.
    unsafe { OwnedFd::from_raw_fd(number) }
}
