//! `ha_open`, `ha_creat`, `ha_reopen`, `ha_dup`, `ha_close`.

use std::ffi::{c_char, c_int, c_uint, c_void};

use ha_core::number::{self, Request, errno, repair, uncancelled};
use ha_core::rustix::io::{self, Errno};
use libc::mode_t;

use super::attach::{REPLACE, attach};
use super::function::RecoveryFunction;
use crate::covers::create;
use crate::covers::duplicate::original::{close, dup, dup3};
use crate::returned::{Returned, failed, number_or_error};

/// open(2), then `ha_attach`. Variadic in C: the mode comes last.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_open(
    path: *const c_char,
    oflag: c_int,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    haflags: c_uint,
    mode: mode_t,
) -> c_int {
    uncancelled(|| {
        // SAFETY: the caller's.
        attached(unsafe { libc::open(path, oflag, mode) }, rfn, rhdl, haflags)
    })
}

/// The same: files are as large as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_open64(
    path: *const c_char,
    oflag: c_int,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    haflags: c_uint,
    mode: mode_t,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { ha_open(path, oflag, rfn, rhdl, haflags, mode) }
}

/// creat(2), then `ha_attach`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_creat(
    path: *const c_char,
    mode: mode_t,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    haflags: c_uint,
) -> c_int {
    uncancelled(|| {
        // SAFETY: the caller's.
        attached(unsafe { libc::creat(path, mode) }, rfn, rhdl, haflags)
    })
}

/// The same: files are as large as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_creat64(
    path: *const c_char,
    mode: mode_t,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    haflags: c_uint,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { ha_creat(path, mode, rfn, rhdl, haflags) }
}

/// Opens a path anew and puts it under `oldfd`: in a recovery function, under all numbers once that has returned.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_reopen(oldfd: c_int, path: *const c_char, oflag: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's.
    uncancelled(|| if oldfd < 0 { failed(Errno::BADF) } else { unsafe { reopen(oldfd, path, oflag, mode) } })
}

/// # Safety
///
/// As for open(2).
unsafe fn reopen(oldfd: c_int, path: *const c_char, oflag: c_int, mode: mode_t) -> c_int {
    // Past the cover, which would take `oldfd` for somebody else's if it was really closed and comes back here.
    // SAFETY: the caller's.
    let made = unsafe { create::original::open(path, oflag, mode) };
    if made == -1 || made == oldfd {
        return made;
    }
    let flags = oflag & libc::O_CLOEXEC;
    let put = if repair::is_under_way_here(oldfd) {
        repair::stage_copy(oldfd, made)
    } else {
        // The registration of `oldfd` stays, which dup3 would end.
        let put = number::capture(oldfd).call(Request::PASSIVE.by_number(), |number| {
            // SAFETY: two numbers and a valid flag.
            unsafe { dup3(made, number, flags) }.result()
        });
        io::Result::from(put).map(|_| oldfd)
    };
    // SAFETY: made here.
    unsafe { close(made) };
    number_or_error(put)
}

/// dup(2) of a covered number; the copy shares its connection.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ha_dup(oldfd: c_int) -> c_int {
    if !number::capture(oldfd).is_covered() {
        return failed(Errno::BADF);
    }
    let copy = |number| -> io::Result<c_int> {
        // SAFETY: a number.
        let made = unsafe { dup(number) };
        made.result().map(|_| made)
    };
    let undo = |number| {
        // SAFETY: a copy made in vain, known to nobody else.
        unsafe { close(number) };
    };
    number_or_error(number::duplicate(oldfd, true, copy, undo))
}

/// `ha_detach`, then close(2), whatever the first says.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_close(fd: c_int) -> c_int {
    uncancelled(|| {
        // Not attached is as good.
        let _ = number::detach(fd);
        // SAFETY: the caller's number.
        unsafe { close(fd) }
    })
}

/// Attaches to what was just opened; what cannot be attached is closed again.
fn attached(made: c_int, function: RecoveryFunction, handle: *mut c_void, flags: c_uint) -> c_int {
    if made == -1 {
        return -1;
    }
    // In a recovery function that has closed its number this is the number under repair, which has a function to be replaced.
    let flags = if repair::is_under_way_here(made) { flags | REPLACE } else { flags };
    match attach(made, function, handle, flags) {
        Ok(()) => made,
        Err(refused) => {
            // By its cover, which knows what was only staged.
            // SAFETY: made by our caller just now.
            unsafe { libc::close(made) };
            errno::set(refused.raw_os_error());
            -1
        }
    }
}
