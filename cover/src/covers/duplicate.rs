//! dup, fcntl, close: numbers copied and given back.
//!
//! Order at close: the number leaves the table first and is closed second, so that it is never in the table while the
//! kernel may give it to somebody else. In a child that shares its parent's memory the table is left alone.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uint, c_void};

use ha_core::number::{Request, capture, covered_in, detach, duplicate as copy, duplicate_onto, member, repair};
use ha_core::rustix::io;

use crate::original::covers;
use crate::returned::{Returned, call, failed, number_or_error};

covers! {
    /// dup(2).
    ["dup"]
    fn dup(number: c_int) -> c_int
        => if is_plain(number) {
            ha_core::number::fresh(original::dup(number))
        } else {
            number_or_error(copy(number, false, |number| made(original::dup(number)), close_now))
        };

    /// dup2(2).
    ["dup2", "__dup2"]
    fn dup2(number: c_int, target: c_int) -> c_int
        => if is_plain(number) && is_plain(target) && !repair::is_any_under_way_here() {
            original::dup2(number, target)
        } else {
            number_or_error(duplicate_onto(number, target, |number| made(original::dup2(number, target))))
        };

    /// dup3(2).
    ["dup3"]
    fn dup3(number: c_int, target: c_int, flags: c_int) -> c_int
        => if is_plain(number) && is_plain(target) && !repair::is_any_under_way_here() || flags & !libc::O_CLOEXEC != 0 {
            original::dup3(number, target, flags)
        } else {
            number_or_error(duplicate_onto(number, target, |number| made(original::dup3(number, target, flags))))
        };

    /// fcntl(2): variadic in C, with at most one argument.
    ["fcntl", "fcntl64", "__fcntl"]
    fn fcntl(number: c_int, command: c_int, argument: *mut c_void) -> c_int
        => if is_plain(number) {
            let answer = original::fcntl(number, command, argument);
            if copies(command) { ha_core::number::fresh(answer) } else { answer }
        } else {
            fcntl_covered(number, command, argument)
        };

    /// close(2).
    ["close", "__close"]
    fn close(number: c_int) -> c_int
        => if is_plain(number) && !repair::is_any_under_way_here() {
            original::close(number)
        } else if repair::close(number) {
            0
        } else {
            let has_lost = leave(number);
            reporting(has_lost, original::close(number))
        };

    /// close_range(2).
    ["close_range"]
    fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int
        => {
            if flags.cast_unsigned() & !libc::CLOSE_RANGE_UNSHARE == 0 {
                forget(first, last);
            }
            original::close_range(first, last, flags)
        };

    /// closefrom(3).
    ["closefrom"]
    fn closefrom(first: c_int) -> ()
        => {
            forget(u32::try_from(first).unwrap_or(0), u32::MAX);
            original::closefrom(first);
        };

    /// mq_close(3).
    ["mq_close"]
    fn mq_close(number: c_int) -> c_int as covered
        => {
            let _ = detach(number);
            original::mq_close(number)
        };
}

#[inline(always)]
fn is_plain(number: c_int) -> bool {
    !capture(number).is_covered()
}

fn copies(command: c_int) -> bool {
    matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC)
}

#[cold]
fn fcntl_covered(number: c_int, command: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: see the covers! macro.
    let issue = |number| unsafe { original::fcntl(number, command, argument) };
    match command {
        _ if copies(command) => number_or_error(copy(number, false, |number| made(issue(number)), close_now)),
        // About the number and not its description; a recovery keeps it.
        libc::F_GETFD | libc::F_SETFD => issue(number),
        // A recovery carries the flags over, so they must not change while it does.
        libc::F_SETFL => call(capture(number), Request::PASSIVE, issue),
        libc::F_SETLK | libc::F_OFD_SETLK => locking(number, call(capture(number), Request::CONTROL, issue)),
        libc::F_SETLKW | libc::F_OFD_SETLKW => {
            locking(number, call(capture(number), Request::CONTROL.cancellable().interruptible(), issue))
        }
        _ => call(capture(number), Request::CONTROL, issue),
    }
}

/// A call that may have set a lock has returned.
pub(super) fn locking(number: c_int, result: c_int) -> c_int {
    if let (0, Some(member)) = (result, member(number)) {
        member.note_locked();
    }
    result
}

fn made(number: c_int) -> io::Result<c_int> {
    number.result().map(|_| number)
}

fn close_now(number: c_int) {
    // SAFETY: a number that a copy made in vain has left behind, known to nobody else.
    unsafe { original::close(number) };
}

/// Takes a number that is about to be closed out of the table. True: what was written to it may be lost, and nobody has been told.
pub(crate) fn leave(number: c_int) -> bool {
    let has_lost = member(number).is_some_and(|member| member.take_losses_at_close());
    // Not attached any more is as good.
    let _ = detach(number);
    has_lost
}

/// What a close returns that has worked, but after a loss.
pub(crate) fn reporting(has_lost: bool, closed: c_int) -> c_int {
    if has_lost && closed == 0 { failed(io::Errno::IO) } else { closed }
}

/// Takes every covered number of the range out of the table.
fn forget(first: c_uint, last: c_uint) {
    let clamped = |number: c_uint| c_int::try_from(number).unwrap_or(c_int::MAX);
    if first > last {
        return;
    }
    for number in covered_in(&(clamped(first)..=clamped(last))) {
        // Not attached any more is as good.
        let _ = detach(number);
    }
}
