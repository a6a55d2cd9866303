//! Replacing a descriptor whose file server is frozen.
//!
//! # Safety
//!
//! One `BorrowedFd` is made from a number on another thread; why it is open for as long as it is used stands there.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io;

use super::description::{access_mode, same_description};
use super::mount::mount_of_descriptor;
use super::path::path_of;
use super::placement::replace;
use super::signals::Blocked;
use crate::sync::clock::sleep;

/// The longest pause between two looks at the number.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// Where the kernel cannot compare descriptions: how long the helper gets to reach the switch.
const BLIND_PAUSE: Duration = Duration::from_millis(100);

/// Whether closing this description may wait for a server: a file opened for writing on FUSE or a network file system.
///
/// The answer comes from /proc: `fstatfs` asks the server, and hangs while it is frozen (measured). A file whose mount
/// has gone counts as remote, since nothing says what it was.
pub(crate) fn is_remote_writable(fd: BorrowedFd<'_>) -> bool {
    if access_mode(fd).is_ok_and(|mode| mode == OFlags::RDONLY) || path_of(fd).is_err() {
        return false;
    }
    mount_of_descriptor(fd).is_none_or(|mount| mount.has_a_server())
}

/// As [`replace`], but returns once the number shows the new description, even if the old one's close still waits.
///
/// dup3(2) switches the descriptor table first and closes the old description after that. The close sends what is
/// still to be written and waits for the answer. It therefore runs on a thread of its own, with every signal blocked.
/// That thread ends when the server answers, or dies, or the mount is aborted; until then it costs a stack. It holds
/// no lock and no descriptor of the program, and the process can end while it waits.
///
/// # Errors
///
/// Those of [`replace`]. When no thread can be started the call is made on this one, and may wait.
pub(crate) fn replace_without_waiting(fd: BorrowedFd<'_>, number: RawFd, cloexec: bool) -> io::Result<()> {
    let new = fd.as_raw_fd();
    if same_description(new, number) == Some(true) {
        // What shows that the helper is through is there already; and what is alive has nothing to wait for.
        return replace(fd, number, cloexec);
    }
    let spawned = {
        // A new thread starts with the mask of the thread that creates it.
        let _blocked = Blocked::all();
        std::thread::Builder::new().name("ha-replace".into()).stack_size(64 * 1024).spawn(move || {
            // SAFETY: the spawner holds `fd` until the number shows the description, or until this thread ends; the
            // kernel has taken its own reference by then and does not look at `new` again. The number is not -1.
            let fd = unsafe { BorrowedFd::borrow_raw(new) };
            replace(fd, number, cloexec)
        })
    };
    let Ok(helper) = spawned else { return replace(fd, number, cloexec) };
    let mut pause = Duration::from_micros(20);
    loop {
        if helper.is_finished() {
            return helper.join().unwrap_or(Err(io::Errno::CANCELED));
        }
        match same_description(new, number) {
            Some(true) => return Ok(()),
            // A pause cut short by a signal only means another look.
            Some(false) => {
                sleep(pause);
            }
            None => {
                sleep(BLIND_PAUSE);
                return if helper.is_finished() { helper.join().unwrap_or(Err(io::Errno::CANCELED)) } else { Ok(()) };
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};

    use super::*;

    #[test]
    fn the_number_shows_the_new_description_on_return() {
        let new = File::open("/dev/null").unwrap();
        let number = tempfile::tempfile().unwrap().into_raw_fd();
        replace_without_waiting(new.as_fd(), number, true).unwrap();
        assert_eq!(same_description(new.as_raw_fd(), number), Some(true));
        // SAFETY: into_raw_fd has made the number ours.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }

    #[test]
    fn a_number_that_has_the_description_already_gets_its_flag() {
        let new = File::open("/dev/null").unwrap();
        let dup = new.try_clone().unwrap();
        replace_without_waiting(new.as_fd(), dup.as_raw_fd(), false).unwrap();
        assert_eq!(crate::kernel::close_on_exec(dup.as_raw_fd()), Ok(false));
    }

    #[test]
    fn an_error_of_the_switch_is_reported() {
        let new = File::open("/dev/null").unwrap();
        assert_eq!(replace_without_waiting(new.as_fd(), i32::MAX, true), Err(io::Errno::BADF));
    }

    #[test]
    fn local_files_and_pipes_are_replaced_directly() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("file")).unwrap();
        assert!(!is_remote_writable(file.as_fd()));
        assert!(!is_remote_writable(std::io::pipe().unwrap().1.as_fd()));
    }
}
