//! Telling who watches a connection what passes through it.

use std::ffi::c_int;
use std::io::IoSlice;

use ha_core::number::{errno, member};
use libc::{iovec, ssize_t};

/// A write on `number` begins.
#[cold]
pub(crate) fn before_write(number: c_int) {
    let before = errno::get();
    if let Some(watch) = member(number).and_then(|member| member.watch()) {
        watch.before_write(number);
    }
    errno::set(before);
}

/// A write of these parts has returned.
#[cold]
pub(crate) fn wrote(number: c_int, parts: &[iovec], written: ssize_t) {
    let Some((member, mut left)) = moved(number, written) else { return };
    let Some(watch) = member.watch() else { return };
    member.note_connected();
    let mut slices = Vec::with_capacity(parts.len());
    for part in parts {
        let length = part.iov_len.min(left);
        left -= length;
        if length > 0 {
            // SAFETY: the kernel has just read these bytes.
            slices.push(IoSlice::new(unsafe { std::slice::from_raw_parts(part.iov_base.cast(), length) }));
        }
    }
    watch.wrote(&slices);
}

/// The kernel has copied bytes to `number`.
#[cold]
pub(crate) fn wrote_unseen(number: c_int, written: ssize_t) {
    let Some((member, bytes)) = moved(number, written) else { return };
    member.note_connected();
    if let Some(watch) = member.watch() {
        watch.wrote_unseen(bytes);
    }
}

/// A read from `number` that asked for something has returned.
#[cold]
pub(crate) fn received(number: c_int, received: ssize_t) {
    let before = errno::get();
    let is_told = received >= 0 || !matches!(before, libc::EAGAIN | libc::EINTR);
    if is_told && let Some(member) = member(number) {
        let bytes = usize::try_from(received).unwrap_or(0);
        if bytes > 0 {
            member.note_connected();
        }
        if let Some(watch) = member.watch() {
            watch.received(bytes);
        }
    }
    errno::set(before);
}

fn moved(number: c_int, result: ssize_t) -> Option<(ha_core::number::Member, usize)> {
    let bytes = usize::try_from(result).ok().filter(|bytes| *bytes > 0)?;
    Some((member(number)?, bytes))
}
