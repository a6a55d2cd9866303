//! libc's `errno`: what it holds, and who may change it.
//!
//! # Safety
//!
//! `__errno_location` returns the address of this thread's own `errno`, which lives as long as the thread.
#![allow(unsafe_code)]

use rustix::io::Errno;

/// Why the last libc function that this thread called, and that failed, has failed.
#[must_use]
pub fn last() -> Errno {
    match get() {
        // A function that fails without a reason; rustix knows no such errno.
        0 => Errno::IO,
        errno => Errno::from_raw_os_error(errno),
    }
}

/// This thread's `errno`, whatever it holds.
#[must_use]
pub fn get() -> i32 {
    // SAFETY: see the top of this file.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: see the top of this file.
    unsafe { place.read() }
}

/// Sets this thread's `errno`.
pub fn set(errno: i32) {
    // SAFETY: see the top of this file.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: see the top of this file.
    unsafe { place.write(errno) };
}

/// The same errno in rustix's type.
pub(crate) fn from_raw(errno: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(errno.into_raw())
}
