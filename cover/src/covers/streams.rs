//! What makes and closes FILEs and DIRs: only to learn of their numbers. Their data passes through the slots of
//! [`stdio`](crate::stdio).
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int};

use ha_core::number::{detach, errno, forget_stale};
use ha_core::rustix::io::Errno;
use libc::{DIR, FILE};

use super::duplicate;
use crate::original::covers;
use crate::returned::failed;
use crate::rules::opened;

covers! {
    /// fopen(3).
    ["fopen", "fopen64"]
    fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE => made(original::fopen(path, mode));

    /// freopen(3).
    ["freopen", "freopen64"]
    fn freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE
        => {
            // libc closes the old number, or puts the new file under it; either way it is another one's.
            let _ = leave(stream);
            made(original::freopen(path, mode, stream))
        };

    /// tmpfile(3).
    ["tmpfile", "tmpfile64"]
    fn tmpfile() -> *mut FILE => made(original::tmpfile());

    /// popen(3).
    ["popen"]
    fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE => made(original::popen(command, mode));

    /// fclose(3): of a popen stream, and of one that is mapped, it closes inside libc, past the slots.
    ["fclose"]
    fn fclose(stream: *mut FILE) -> c_int => closed(stream, || original::fclose(stream));

    /// pclose(3): closes inside libc, past the slots.
    ["pclose"]
    fn pclose(stream: *mut FILE) -> c_int => closed(stream, || original::pclose(stream));

    /// opendir(3).
    ["opendir"]
    fn opendir(path: *const c_char) -> *mut DIR
        => {
            let directory = original::opendir(path);
            if !directory.is_null() {
                forget_stale(libc::dirfd(directory));
            }
            directory
        };

    /// closedir(3).
    ["closedir"]
    fn closedir(directory: *mut DIR) -> c_int
        => {
            if !directory.is_null() {
                // Not attached is as good.
                let _ = detach(libc::dirfd(directory));
            }
            original::closedir(directory)
        };
}

/// # Safety
///
/// `stream` is null or a stream that libc has just made.
unsafe fn made(stream: *mut FILE) -> *mut FILE {
    if !stream.is_null() {
        // SAFETY: the caller's.
        let number = unsafe { libc::fileno(stream) };
        // A stream keeps the number that it was made with; and the mode is not worth being parsed for the flags.
        forget_stale(number);
        let _ = opened(number, ha_core::number::status_flags(number));
    }
    stream
}

/// Writes what is buffered, which may still recover, and takes the stream's number out of the table. The error says what of
/// that is lost, or may be.
///
/// # Safety
///
/// `stream` is null or an open stream.
unsafe fn leave(stream: *mut FILE) -> Result<(), Errno> {
    let before = errno::get();
    // SAFETY: the caller's.
    let number = if stream.is_null() { -1 } else { unsafe { libc::fileno(stream) } };
    // A stream in memory has no number, and asking for it is an error.
    errno::set(before);
    if !ha_core::number::capture(number).is_covered() {
        return Ok(());
    }
    // SAFETY: the caller's.
    let flushed = if unsafe { libc::fflush(stream) } == 0 { Ok(()) } else { Err(errno::last()) };
    let has_lost = duplicate::leave(number);
    flushed.and(if has_lost { Err(Errno::IO) } else { Ok(()) })
}

/// # Safety
///
/// `stream` is an open stream, and `close` closes it.
unsafe fn closed(stream: *mut FILE, close: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the caller's.
    let left = unsafe { leave(stream) };
    let result = close();
    left.map_or_else(failed, |()| result)
}
