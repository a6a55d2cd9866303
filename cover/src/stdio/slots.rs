//! The functions that stand in libc's jump tables: what a FILE does with its descriptor.
//!
//! A FILE on an ordinary descriptor gets libc's own function, by a tail call. On a covered one the transfer passes through
//! the same covers as `read` and `write`, and the FILE's flags are left as libc would have left them.
//!
//! # Safety
//!
//! libc calls these with a FILE that is locked, or that nobody else knows, and with buffers of its own.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use ha_core::Kind;
use ha_core::number::{Request, capture};
use libc::iovec;

use super::tables::{self, Slots, Stream};
use crate::covers::{control, duplicate, quiet, transmit};
use crate::returned::call;

/// `_IO_ERR_SEEN` of libio.h: what ferror(3) reports. Part of the ABI: putc(3) was a macro once.
const ERROR: c_int = 0x20;

pub(super) const OURS: Slots = Slots { read, write, seek, close, stat };

static ORIGINALS: OnceLock<Slots> = OnceLock::new();

/// Looks libc's own up.
pub(super) fn start() -> Option<&'static Slots> {
    let originals = tables::originals()?;
    Some(ORIGINALS.get_or_init(|| originals))
}

/// libc's own. The tables hold ours only after they were looked up.
fn originals() -> &'static Slots {
    ORIGINALS.get_or_init(|| OURS)
}

/// The descriptor under a FILE.
unsafe fn number(stream: *mut Stream) -> c_int {
    // SAFETY: an open FILE, see the top of this file.
    unsafe { libc::fileno(stream.cast()) }
}

unsafe extern "C-unwind" fn read(stream: *mut Stream, buffer: *mut c_void, count: isize) -> isize {
    // SAFETY: libc's FILE.
    let number = unsafe { number(stream) };
    let covered = capture(number);
    if !covered.is_covered() {
        // SAFETY: libc's arguments.
        return unsafe { (originals().read)(stream, buffer, count) };
    }
    let count = count.unsigned_abs();
    // SAFETY: libc's buffer has so many bytes.
    transmit::reads(covered, number, count, |number| unsafe { transmit::original::read(number, buffer, count) })
}

/// Returns how many bytes were written; fewer than asked for mean an error, which is noted in the FILE.
unsafe extern "C-unwind" fn write(stream: *mut Stream, buffer: *const c_void, count: isize) -> isize {
    // SAFETY: libc's FILE.
    let number = unsafe { number(stream) };
    if !capture(number).is_covered() {
        // SAFETY: libc's arguments.
        return unsafe { (originals().write)(stream, buffer, count) };
    }
    // SAFETY: libc's FILE, here and below.
    let flags_before = unsafe { (*stream).flags };
    let mut written = 0;
    while written < count {
        // SAFETY: inside of libc's buffer.
        let rest = unsafe { buffer.byte_offset(written) };
        // SAFETY: libc's FILE, and so many bytes are left in its buffer.
        let moved = unsafe { write_covered(stream, number, rest, count - written) };
        if moved < 0 {
            // SAFETY: this thread may change it.
            unsafe { (*stream).flags |= ERROR };
            return written;
        }
        written += moved;
    }
    // An attempt that failed before the recovery has left its mark.
    // SAFETY: as above.
    unsafe { (*stream).flags &= !ERROR | flags_before };
    written
}

/// # Safety
///
/// `stream` is a FILE, and `buffer` has `count` bytes.
unsafe fn write_covered(stream: *mut Stream, number: c_int, buffer: *const c_void, count: isize) -> isize {
    let covered = capture(number);
    let length = count.unsigned_abs();
    // SAFETY: the caller's.
    let plain = |number| unsafe { transmit::original::write(number, buffer, length) };
    if covered.kind() != Kind::File {
        let part = iovec { iov_base: buffer.cast_mut(), iov_len: length };
        return quiet::write(covered, number, &[part], plain);
    }
    // libc's own also moves the offset that it keeps for a FILE that can seek. It says -1 by saying 0.
    call(covered, Request::write(length).cancellable(), |standing| {
        if standing != number {
            return plain(standing);
        }
        // SAFETY: the caller's.
        match unsafe { (originals().write)(stream, buffer, count) } {
            0 => -1,
            written => written,
        }
    })
}

unsafe extern "C-unwind" fn seek(stream: *mut Stream, offset: i64, whence: c_int) -> i64 {
    // SAFETY: libc's FILE.
    let number = unsafe { number(stream) };
    let covered = capture(number);
    if !covered.is_covered() {
        // SAFETY: libc's arguments.
        return unsafe { (originals().seek)(stream, offset, whence) };
    }
    control::seeks(covered, number, offset, whence, |number| {
        // SAFETY: integers only.
        unsafe { control::original::lseek(number, offset, whence) }
    })
}

/// The number leaves the table before it is closed.
unsafe extern "C-unwind" fn close(stream: *mut Stream) -> c_int {
    // SAFETY: libc's FILE.
    let number = unsafe { number(stream) };
    let has_lost = capture(number).is_covered() && duplicate::leave(number);
    // SAFETY: libc's FILE.
    duplicate::reporting(has_lost, unsafe { (originals().close)(stream) })
}

unsafe extern "C-unwind" fn stat(stream: *mut Stream, status: *mut c_void) -> c_int {
    // SAFETY: libc's FILE.
    let number = unsafe { number(stream) };
    let covered = capture(number);
    if !covered.is_covered() {
        // SAFETY: libc's arguments.
        return unsafe { (originals().stat)(stream, status) };
    }
    call(covered, Request::CONTROL, |number| {
        // SAFETY: libc's buffer is a `struct stat`.
        unsafe { control::original::fstat(number, status.cast()) }
    })
}
