//! Putting a description under a given number.
//!
//! # Safety
//!
//! dup3(2) acts on a number that we do not own, while rustix asks for the owner. [`replace`] makes an `OwnedFd` for the
//! length of the call that is never dropped, so that nothing is closed twice.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{self, DupFlags, Errno};

/// Puts the description of `fd` under `number` if nothing is there, and reports whether it did.
///
/// `F_DUPFD` gives the lowest free number that is not below the one asked for. Any other than that is closed again, so
/// that a number that somebody else has opened meanwhile is never touched.
///
/// # Errors
///
/// `EBADF`, `EMFILE` or `EINVAL` (the number is beyond the process's limit) as fcntl(2) says.
pub(crate) fn place_at(fd: BorrowedFd<'_>, number: RawFd, cloexec: bool) -> io::Result<bool> {
    let placed = io::fcntl_dupfd_cloexec(fd, number)?;
    if placed.as_raw_fd() != number {
        return Ok(false);
    }
    if !cloexec {
        io::fcntl_setfd(&placed, io::FdFlags::empty())?;
    }
    // The number belongs to the program, which closes it as it closes any other.
    let _ = ManuallyDrop::new(placed);
    Ok(true)
}

/// Puts the description of `fd` under `number`, closing what is there.
///
/// The close runs the flush of the old description, which can wait for a frozen file server:
/// [`replace_without_waiting`](super::replace_without_waiting) is for those.
///
/// A number that already is `fd` itself only gets its close-on-exec flag.
///
/// # Errors
///
/// `EBADF` when `fd` is not open or `number` is beyond the process's limit. `EINTR`, and `EBUSY` (the number is
/// reserved by an open in progress on another thread, dup(2)), are tried again.
pub(crate) fn replace(fd: BorrowedFd<'_>, number: RawFd, cloexec: bool) -> io::Result<()> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    if number == fd.as_raw_fd() {
        let flags = if cloexec { io::FdFlags::CLOEXEC } else { io::FdFlags::empty() };
        return io::fcntl_setfd(fd, flags);
    }
    let flags = if cloexec { DupFlags::CLOEXEC } else { DupFlags::empty() };
    // SAFETY: the number is not -1, and ManuallyDrop keeps this second owner from ever closing it.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    loop {
        match io::dup3(fd, &mut target, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::BUSY) => std::thread::yield_now(),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, IntoRawFd};

    use super::*;
    use crate::kernel::{close_on_exec, is_open, same_description};

    fn null() -> File {
        File::open("/dev/null").unwrap()
    }

    #[test]
    fn a_strangers_number_is_never_overwritten() {
        let ours = null();
        let stranger = File::open("/dev/zero").unwrap();
        let number = stranger.as_raw_fd();
        assert!(!place_at(ours.as_fd(), number, true).unwrap());
        assert_eq!(same_description(number, ours.as_raw_fd()), Some(false));
    }

    #[test]
    fn a_free_number_gets_the_description() {
        let ours = null();
        // Far above what the other tests of this process are using.
        let number = 900;
        assert!(place_at(ours.as_fd(), number, false).unwrap());
        assert_eq!(same_description(number, ours.as_raw_fd()), Some(true));
        assert!(!close_on_exec(number).unwrap());
        // SAFETY: place_at has just created this number, and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
        assert!(!is_open(number));
    }

    #[test]
    fn replacing_keeps_the_number_and_sets_the_flag_asked_for() {
        let new = null();
        let number = File::open("/dev/zero").unwrap().into_raw_fd();
        replace(new.as_fd(), number, true).unwrap();
        assert_eq!(same_description(number, new.as_raw_fd()), Some(true));
        assert!(close_on_exec(number).unwrap());
        replace(new.as_fd(), number, false).unwrap();
        assert!(!close_on_exec(number).unwrap());
        // SAFETY: into_raw_fd has made the number ours.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert_eq!(replace(null().as_fd(), -1, true), Err(Errno::BADF));
        assert_eq!(replace(null().as_fd(), i32::MAX, true), Err(Errno::BADF));
    }
}
