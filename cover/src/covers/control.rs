//! What asks and changes: offsets, attributes, contents on disk, locks, extended attributes, device control.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

use ha_core::number::{Captured, Request, capture, member};
use libc::{gid_t, mode_t, off_t, size_t, ssize_t, stat, statfs, statvfs, statx, timespec, timeval, uid_t};

use super::duplicate::locking;
use crate::original::covers;
use crate::returned::{call, failed};

covers! {
    /// lseek(2).
    ["lseek", "lseek64", "__lseek", "llseek"]
    fn lseek(number: c_int, offset: off_t, whence: c_int) -> off_t as covered
        => seeks(covered, number, offset, whence, |number| original::lseek(number, offset, whence));

    /// fstat(2).
    ["fstat", "fstat64"]
    fn fstat(number: c_int, status: *mut stat) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fstat(number, status));

    /// fstat(2), of programs built against glibc before 2.33; `version` is that of the structure, not a number.
    ["__fxstat", "__fxstat64"]
    fn __fxstat(version: c_int, number: c_int, status: *mut stat) -> c_int
        => {
            let covered = capture(number);
            if covered.is_covered() {
                call(covered, Request::CONTROL, |number| original::__fxstat(version, number, status))
            } else {
                original::__fxstat(version, number, status)
            }
        };

    /// fstatat(2); with AT_EMPTY_PATH and no path it is about the number.
    ["fstatat", "fstatat64"]
    fn fstatat(number: c_int, path: *const c_char, status: *mut stat, flags: c_int) -> c_int as covered
        => if is_about_the_number(path, flags) {
            call(covered, Request::CONTROL, |number| original::fstatat(number, path, status, flags))
        } else {
            original::fstatat(number, path, status, flags)
        };

    /// fstatat(2), of programs built against glibc before 2.33.
    ["__fxstatat", "__fxstatat64"]
    fn __fxstatat(version: c_int, number: c_int, path: *const c_char, status: *mut stat, flags: c_int) -> c_int
        => {
            let covered = capture(number);
            if covered.is_covered() && is_about_the_number(path, flags) {
                call(covered, Request::CONTROL, |number| original::__fxstatat(version, number, path, status, flags))
            } else {
                original::__fxstatat(version, number, path, status, flags)
            }
        };

    /// statx(2); with AT_EMPTY_PATH and no path it is about the number.
    ["statx"]
    fn statx(number: c_int, path: *const c_char, flags: c_int, mask: c_uint, status: *mut statx) -> c_int as covered
        => if is_about_the_number(path, flags) {
            call(covered, Request::CONTROL, |number| original::statx(number, path, flags, mask, status))
        } else {
            original::statx(number, path, flags, mask, status)
        };

    /// fstatfs(2).
    ["fstatfs", "fstatfs64"]
    fn fstatfs(number: c_int, status: *mut statfs) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fstatfs(number, status));

    /// fstatvfs(3).
    ["fstatvfs", "fstatvfs64"]
    fn fstatvfs(number: c_int, status: *mut statvfs) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fstatvfs(number, status));

    /// fsync(2): repairs, and reports what was lost.
    ["fsync"]
    fn fsync(number: c_int) -> c_int as covered
        => syncs(covered, number, |number| original::fsync(number));

    /// fdatasync(2): repairs, and reports what was lost.
    ["fdatasync"]
    fn fdatasync(number: c_int) -> c_int as covered
        => syncs(covered, number, |number| original::fdatasync(number));

    /// syncfs(2): repairs, and reports what was lost.
    ["syncfs"]
    fn syncfs(number: c_int) -> c_int as covered
        => syncs(covered, number, |number| original::syncfs(number));

    /// sync_file_range(2): repairs, and reports what was lost.
    ["sync_file_range"]
    fn sync_file_range(number: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int as covered
        => syncs(covered, number, |number| original::sync_file_range(number, offset, length, flags));

    /// ftruncate(2).
    ["ftruncate", "ftruncate64"]
    fn ftruncate(number: c_int, length: off_t) -> c_int as covered
        => {
            let truncated = call(covered, Request::CONTROL, |number| original::ftruncate(number, length));
            if let (0, Some(member), Ok(length)) = (truncated, member(number), u64::try_from(length)) {
                member.note_length(length);
            }
            truncated
        };

    /// fallocate(2).
    ["fallocate", "fallocate64"]
    fn fallocate(number: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fallocate(number, mode, offset, length));

    /// posix_fallocate(3): returns the error.
    ["posix_fallocate", "posix_fallocate64"]
    fn posix_fallocate(number: c_int, offset: off_t, length: off_t) -> c_int as covered
        => error_of(covered, |number| original::posix_fallocate(number, offset, length));

    /// posix_fadvise(3): returns the error.
    ["posix_fadvise", "posix_fadvise64"]
    fn posix_fadvise(number: c_int, offset: off_t, length: off_t, advice: c_int) -> c_int as covered
        => error_of(covered, |number| original::posix_fadvise(number, offset, length, advice));

    /// readahead(2).
    ["readahead"]
    fn readahead(number: c_int, offset: off_t, count: size_t) -> ssize_t as covered
        => call(covered, Request::CONTROL, |number| original::readahead(number, offset, count));

    /// flock(2).
    ["flock"]
    fn flock(number: c_int, operation: c_int) -> c_int as covered
        => locking(number, call(covered, Request::CONTROL.interruptible(), |number| {
            original::flock(number, operation)
        }));

    /// lockf(3).
    ["lockf", "lockf64"]
    fn lockf(number: c_int, command: c_int, length: off_t) -> c_int as covered
        => locking(number, call(covered, Request::CONTROL.interruptible().cancellable(), |number| {
            original::lockf(number, command, length)
        }));

    /// fchmod(2).
    ["fchmod"]
    fn fchmod(number: c_int, mode: mode_t) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fchmod(number, mode));

    /// fchown(2).
    ["fchown"]
    fn fchown(number: c_int, owner: uid_t, group: gid_t) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fchown(number, owner, group));

    /// futimens(3).
    ["futimens"]
    fn futimens(number: c_int, times: *const timespec) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::futimens(number, times));

    /// futimes(3).
    ["futimes"]
    fn futimes(number: c_int, times: *const timeval) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::futimes(number, times));

    /// fchdir(2).
    ["fchdir"]
    fn fchdir(number: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fchdir(number));

    /// fgetxattr(2).
    ["fgetxattr"]
    fn fgetxattr(number: c_int, name: *const c_char, value: *mut c_void, size: size_t) -> ssize_t as covered
        => call(covered, Request::CONTROL, |number| original::fgetxattr(number, name, value, size));

    /// fsetxattr(2).
    ["fsetxattr"]
    fn fsetxattr(number: c_int, name: *const c_char, value: *const c_void, size: size_t, flags: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fsetxattr(number, name, value, size, flags));

    /// flistxattr(2).
    ["flistxattr"]
    fn flistxattr(number: c_int, list: *mut c_char, size: size_t) -> ssize_t as covered
        => call(covered, Request::CONTROL, |number| original::flistxattr(number, list, size));

    /// fremovexattr(2).
    ["fremovexattr"]
    fn fremovexattr(number: c_int, name: *const c_char) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::fremovexattr(number, name));

    /// getdents64(2).
    ["getdents64"]
    fn getdents64(number: c_int, entries: *mut c_void, size: size_t) -> ssize_t as covered
        => call(covered, Request::CONTROL, |number| original::getdents64(number, entries, size));

    /// ioctl(2): variadic in C, with at most one argument.
    ["ioctl"]
    fn ioctl(number: c_int, operation: c_ulong, argument: *mut c_void) -> c_int as covered
        => match operation {
            // About the number and not its description; a recovery keeps it.
            libc::FIOCLEX | libc::FIONCLEX => original::ioctl(number, operation, argument),
            _ => call(covered, Request::CONTROL.interruptible(), |number| {
                original::ioctl(number, operation, argument)
            }),
        };

    /// mmap(2): the mapping itself is out of reach: if the server dies later, touching it raises SIGBUS.
    ["mmap", "mmap64"]
    fn mmap(address: *mut c_void, length: size_t, protection: c_int, flags: c_int, number: c_int, offset: off_t)
        -> *mut c_void
        => {
            let covered = capture(number);
            if covered.is_covered() {
                let mapped = call(covered, Request::CONTROL, |number| {
                    original::mmap(address, length, protection, flags, number, offset) as isize
                });
                mapped as *mut c_void
            } else {
                original::mmap(address, length, protection, flags, number, offset)
            }
        };
}

fn is_about_the_number(path: *const c_char, flags: c_int) -> bool {
    // SAFETY: a path that is given is a string, by the contract of the functions that have one.
    flags & libc::AT_EMPTY_PATH != 0 && (path.is_null() || unsafe { path.read() } == 0)
}

pub(crate) fn seeks(
    covered: Captured,
    number: c_int,
    offset: off_t,
    whence: c_int,
    issue: impl FnMut(c_int) -> off_t,
) -> off_t {
    // Before the call: a recovery in it goes by what the application wants.
    note_seek(number, if whence == libc::SEEK_SET { offset } else { -1 });
    let reached = call(covered, Request::CONTROL, issue);
    if whence != libc::SEEK_SET && (whence, offset) != (libc::SEEK_CUR, 0) {
        note_seek(number, reached);
    }
    reached
}

fn note_seek(number: c_int, offset: off_t) {
    if let (Ok(offset), Some(member)) = (u64::try_from(offset), member(number)) {
        member.note_seek(offset);
    }
}

/// A sync on a description that has replaced a dead one says once that writes may be lost, as the kernel does after a
/// failed write-back.
fn syncs(covered: Captured, number: c_int, issue: impl FnMut(c_int) -> c_int) -> c_int {
    let synced = call(covered, Request::SYNC.cancellable(), issue);
    if synced == 0 && member(number).is_some_and(|member| member.take_lost_writes()) {
        return failed(ha_core::rustix::io::Errno::IO);
    }
    synced
}

/// A call that returns its error, and leaves `errno` alone.
fn error_of(covered: Captured, mut issue: impl FnMut(c_int) -> c_int) -> c_int {
    let before = ha_core::number::errno::get();
    let result: c_int = call(covered, Request::CONTROL, |number| {
        let error = issue(number);
        if error == 0 { 0 } else { failed(ha_core::rustix::io::Errno::from_raw_os_error(error)) }
    });
    let error = if result == 0 { 0 } else { ha_core::number::errno::get() };
    ha_core::number::errno::set(before);
    error
}
