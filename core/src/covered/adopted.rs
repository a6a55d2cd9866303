//! Taking ownership of a number that the kernel has just given out.
//!
//! # Safety
//!
//! The caller is the one that made the number, and hands over the only owner it has.

#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

pub(crate) fn adopt_number(number: RawFd) -> OwnedFd {
    // SAFETY: see the top of this file: a number that the kernel has just returned to the caller.
    unsafe { OwnedFd::from_raw_fd(number) }
}
