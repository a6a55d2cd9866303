//! read, write and their kin: at the description's offset or a given one, in one buffer or several.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_void};

use ha_core::number::{Captured, Glanced, Request, rarely, without_sigpipe};
use libc::{iovec, off_t, size_t, ssize_t};

use super::quiet;
use crate::original::covers;
use crate::returned::{call, judged};
use crate::rules::watched;

covers! {
    /// read(2).
    ["read", "__read"]
    fn read(number: c_int, buffer: *mut c_void, count: size_t) -> ssize_t as covered at once read_at_once
        => reads(covered, number, count, |number| original::read(number, buffer, count));

    /// read(2), with the size of the buffer: libc's own aborts the program if the count is larger.
    ["__read_chk"]
    fn __read_chk(number: c_int, buffer: *mut c_void, count: size_t, size: size_t) -> ssize_t as covered
        => reads(covered, number, count, |number| original::__read_chk(number, buffer, count, size));

    /// readv(2).
    ["readv"]
    fn readv(number: c_int, parts: *const iovec, many: c_int) -> ssize_t as covered
        => reads(covered, number, total(parts, many), |number| original::readv(number, parts, many));

    /// pread(2).
    ["pread", "pread64", "__pread64", "__libc_pread"]
    fn pread(number: c_int, buffer: *mut c_void, count: size_t, offset: off_t) -> ssize_t as covered
        => call(covered, at(count, offset), |number| original::pread(number, buffer, count, offset));

    /// pread(2), with the size of the buffer.
    ["__pread_chk", "__pread64_chk"]
    fn __pread_chk(number: c_int, buffer: *mut c_void, count: size_t, offset: off_t, size: size_t) -> ssize_t as covered
        => call(covered, at(count, offset), |number| {
            original::__pread_chk(number, buffer, count, offset, size)
        });

    /// preadv(2).
    ["preadv", "preadv64"]
    fn preadv(number: c_int, parts: *const iovec, many: c_int, offset: off_t) -> ssize_t as covered
        => call(covered, at(total(parts, many), offset), |number| {
            original::preadv(number, parts, many, offset)
        });

    /// preadv2(2): an offset of -1 is the description's own.
    ["preadv2", "preadv64v2"]
    fn preadv2(number: c_int, parts: *const iovec, many: c_int, offset: off_t, flags: c_int) -> ssize_t as covered
        => reads_at(covered, number, total(parts, many), offset, |number| {
            original::preadv2(number, parts, many, offset, flags)
        });

    /// write(2).
    ["write", "__write"]
    fn write(number: c_int, buffer: *const c_void, count: size_t) -> ssize_t as covered at once write_at_once
        => {
            let part = iovec { iov_base: buffer.cast_mut(), iov_len: count };
            quiet::write(covered, number, &[part], |number| original::write(number, buffer, count))
        };

    /// writev(2).
    ["writev"]
    fn writev(number: c_int, parts: *const iovec, many: c_int) -> ssize_t as covered
        => quiet::write(covered, number, slice(parts, many), |number| original::writev(number, parts, many));

    /// pwrite(2).
    ["pwrite", "pwrite64", "__pwrite64", "__libc_pwrite"]
    fn pwrite(number: c_int, buffer: *const c_void, count: size_t, offset: off_t) -> ssize_t as covered
        => call(covered, Request::write(count).cancellable(), |number| {
            original::pwrite(number, buffer, count, offset)
        });

    /// pwritev(2).
    ["pwritev", "pwritev64"]
    fn pwritev(number: c_int, parts: *const iovec, many: c_int, offset: off_t) -> ssize_t as covered
        => call(covered, Request::write(total(parts, many)).cancellable(), |number| {
            original::pwritev(number, parts, many, offset)
        });

    /// pwritev2(2): an offset of -1 is the description's own.
    ["pwritev2", "pwritev64v2"]
    fn pwritev2(number: c_int, parts: *const iovec, many: c_int, offset: off_t, flags: c_int) -> ssize_t as covered
        => if offset == -1 && flags == 0 {
            quiet::write(covered, number, slice(parts, many), |number| {
                original::pwritev2(number, parts, many, offset, flags)
            })
        } else {
            let request = Request::write(total(parts, many)).cancellable();
            let written = call(covered, request, |number| {
                without_sigpipe(|| original::pwritev2(number, parts, many, offset, flags))
            });
            quiet::raise_if_broken(covered.kind(), flags & quiet::RWF_NOSIGNAL != 0, written)
        };
}

/// A call that is made at once. It stands in memory while it is made, so that no registers have to be saved for what nearly
/// never needs it.
struct AtOnce<Buffer> {
    number: c_int,
    buffer: Buffer,
    count: size_t,
    glanced: Glanced,
}

/// The success path of read: the call, and one comparison.
#[inline(always)]
unsafe fn read_at_once(number: c_int, buffer: *mut c_void, count: size_t, glanced: Glanced) -> Option<ssize_t> {
    if !glanced.is_quiet() {
        rarely();
        return None;
    }
    let read = AtOnce { number, buffer, count, glanced };
    // SAFETY: see the `covers!` macro.
    let received = unsafe { original::read(number, buffer, count) };
    Some(if received > 0 { received } else { received_nothing(&read, received) })
}

#[cold]
#[inline(never)]
fn received_nothing(read: &AtOnce<*mut c_void>, received: ssize_t) -> ssize_t {
    let &AtOnce { number, buffer, count, glanced } = read;
    judged(glanced.at(number), Request::read(count).cancellable(), received, |number| {
        // SAFETY: see the `covers!` macro.
        unsafe { original::read(number, buffer, count) }
    })
}

/// The success path of write, to what has no peer: the call, and one comparison.
#[inline(always)]
unsafe fn write_at_once(number: c_int, buffer: *const c_void, count: size_t, glanced: Glanced) -> Option<ssize_t> {
    if !glanced.is_quiet_to_write() {
        rarely();
        return None;
    }
    let write = AtOnce { number, buffer, count, glanced };
    // SAFETY: see the `covers!` macro.
    let written = unsafe { original::write(number, buffer, count) };
    Some(if written >= count.cast_signed() { written } else { wrote_less(&write, written) })
}

#[cold]
#[inline(never)]
fn wrote_less(write: &AtOnce<*const c_void>, written: ssize_t) -> ssize_t {
    let &AtOnce { number, buffer, count, glanced } = write;
    judged(glanced.at(number), Request::write(count).cancellable(), written, |number| {
        // SAFETY: see the `covers!` macro.
        unsafe { original::write(number, buffer, count) }
    })
}

/// A read at the description's own offset.
#[inline(always)]
pub(crate) fn reads(covered: Captured, number: c_int, count: size_t, issue: impl FnMut(c_int) -> ssize_t) -> ssize_t {
    let received = call(covered, Request::read(count).cancellable(), issue);
    if covered.is_watched() && count > 0 {
        watched::received(number, received);
    }
    received
}

fn reads_at(
    covered: Captured,
    number: c_int,
    count: size_t,
    offset: off_t,
    issue: impl FnMut(c_int) -> ssize_t,
) -> ssize_t {
    if offset == -1 { reads(covered, number, count, issue) } else { call(covered, at(count, offset), issue) }
}

fn at(count: size_t, offset: off_t) -> Request {
    Request::read_at(count, offset.cast_unsigned()).cancellable()
}

/// How many bytes the parts hold; none if they cannot be looked at, which the kernel will say.
///
/// # Safety
///
/// As for readv(2): `parts` has `many` elements.
pub(super) unsafe fn total(parts: *const iovec, many: c_int) -> usize {
    // SAFETY: the caller's.
    unsafe { slice(parts, many) }.iter().fold(0, |sum: usize, part| sum.saturating_add(part.iov_len))
}

/// # Safety
///
/// As for readv(2): `parts` has `many` elements.
pub(super) unsafe fn slice<'parts>(parts: *const iovec, many: c_int) -> &'parts [iovec] {
    match usize::try_from(many) {
        // SAFETY: the caller's. More than IOV_MAX parts are refused by the kernel, unseen.
        Ok(many) if !parts.is_null() && many <= 1024 => unsafe { std::slice::from_raw_parts(parts, many) },
        _ => &[],
    }
}
