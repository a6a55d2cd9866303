//! sendfile, splice and their kin: the kernel moves bytes from one number to another, and either may be covered.
//!
//! What has been moved is reported; only a call that has moved nothing is issued again.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uint};

use ha_core::Kind;
use ha_core::number::{Captured, Request, capture, without_sigpipe};
use libc::{iovec, loff_t, off_t, size_t, ssize_t};

use super::quiet::raise_if_broken;
use crate::original::covers;
use crate::returned::{Returned, call};
use crate::rules::watched;

covers! {
    /// sendfile(2).
    ["sendfile", "sendfile64"]
    fn sendfile(to: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t
        => copy(to, from, count, |to, from| original::sendfile(to, from, offset, count));

    /// splice(2).
    ["splice"]
    fn splice(
        from: c_int, from_offset: *mut loff_t, to: c_int, to_offset: *mut loff_t, count: size_t, flags: c_uint,
    ) -> ssize_t
        => copy(to, from, count, |to, from| original::splice(from, from_offset, to, to_offset, count, flags));

    /// tee(2).
    ["tee"]
    fn tee(from: c_int, to: c_int, count: size_t, flags: c_uint) -> ssize_t
        => copy(to, from, count, |to, from| original::tee(from, to, count, flags));

    /// copy_file_range(2).
    ["copy_file_range"]
    fn copy_file_range(
        from: c_int, from_offset: *mut loff_t, to: c_int, to_offset: *mut loff_t, count: size_t, flags: c_uint,
    ) -> ssize_t
        => copy(to, from, count, |to, from| original::copy_file_range(from, from_offset, to, to_offset, count, flags));

    /// vmsplice(2).
    ["vmsplice"]
    fn vmsplice(number: c_int, parts: *const iovec, many: size_t, flags: c_uint) -> ssize_t as covered
        => {
            let moved = call(covered, Request::write_some(usize::MAX).cancellable(), |number| {
                without_sigpipe(|| original::vmsplice(number, parts, many, flags))
            });
            raise_if_broken(covered.kind(), false, moved)
        };
}

#[inline(always)]
fn copy(to: c_int, from: c_int, count: size_t, mut issue: impl FnMut(c_int, c_int) -> ssize_t) -> ssize_t {
    let (target, source) = (capture(to), capture(from));
    if !target.is_covered() && !source.is_covered() {
        return issue(to, from);
    }
    if target.is_watched() {
        watched::before_write(to);
    }
    let can_break = target.is_covered() && matches!(target.kind(), Kind::Stream | Kind::Pipe);
    let both = target.is_covered() && source.is_covered();
    // Which of the two an error is about, the kernel does not say. A socket with an ordinary number beside it is believed to be the
    // one; a file can be asked.
    let shared = |covered: Captured, request: Request| {
        if both || covered.kind() == Kind::File { request.shared() } else { request }
    };
    let moved = call(target, shared(target, Request::write_some(count).cancellable()), |to| {
        let moved = source.call(shared(source, Request::read(count).cancellable()), |from| {
            let moved = if can_break { without_sigpipe(|| issue(to, from)) } else { issue(to, from) };
            moved.result()
        });
        crate::returned::returned::<ssize_t>(moved)
    });
    if target.is_watched() {
        watched::wrote_unseen(to, moved);
    }
    // Whether it was the source that had nothing more to give, nobody can say.
    if source.is_watched() && moved > 0 {
        watched::received(from, moved);
    }
    if can_break { raise_if_broken(target.kind(), false, moved) } else { moved }
}
