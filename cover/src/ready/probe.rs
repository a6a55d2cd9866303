//! Asking a number that was reported as ready whether its connection is dead.

use std::cell::Cell;
use std::ffi::{c_int, c_short};

use ha_core::Kind;
use ha_core::number::{Captured, Request, capture, repair};
use ha_core::rustix::io::{self, Errno};
use libc::pollfd;

use super::Look;
use crate::covers::readiness;
use crate::returned::Returned;
use crate::start::borrowed;

/// Asks `number`; if its connection is dead, that is recovered.
///
/// A death needs a witness: nothing is readable, and the other side has hung up. Neither SO_ERROR nor the next byte is looked at:
/// both would take a pending error away from the program, which sees it if the connection is not recovered.
pub(crate) fn probe(number: c_int) -> Look {
    let covered = capture(number);
    if !covered.is_covered() || repair::is_under_way_here(number) {
        return Look::AsReported;
    }
    match covered.kind() {
        Kind::Stream | Kind::Socket => ask(covered, next_byte),
        Kind::Pipe | Kind::Terminal => ask(covered, hang_up),
        _ => Look::AsReported,
    }
}

fn ask(covered: Captured, mut witness: impl FnMut(c_int) -> io::Result<usize>) -> Look {
    let asked = Cell::new(0_u32);
    let result = covered.call(Request::read(1).cancellable(), |number| {
        asked.set(asked.get() + 1);
        witness(number)
    });
    let is_well = matches!(result.into(), Ok(1..) | Err(Errno::AGAIN));
    if is_well && (asked.get() > 1 || !covered.is_settled()) { Look::Outdated } else { Look::AsReported }
}

/// 1: something is readable; EAGAIN: nothing yet; 0 or an error: nothing will be.
fn next_byte(number: c_int) -> io::Result<usize> {
    let events = events(number)?;
    let has = |event: c_short| events & event != 0;
    if has(libc::POLLNVAL) {
        return Err(Errno::BADF);
    }
    let has_ended = has(libc::POLLHUP | libc::POLLRDHUP);
    // Asked after the poll, so that what came before the end is counted. Whatever cannot say is taken to have something.
    match if has_ended { unread(number) } else { u64::from(has(libc::POLLIN)) } {
        1.. => Ok(1),
        0 if has(libc::POLLHUP) && has(libc::POLLERR) => Err(Errno::CONNRESET),
        0 if has_ended => Ok(0),
        0 => Err(Errno::AGAIN),
    }
}

fn unread(number: c_int) -> u64 {
    borrowed(number).and_then(|socket| io::ioctl_fionread(socket).ok()).unwrap_or(1)
}

fn events(number: c_int) -> io::Result<c_short> {
    let mut polled = pollfd { fd: number, events: libc::POLLIN | libc::POLLRDHUP, revents: 0 };
    // SAFETY: an array of one.
    unsafe { readiness::original::poll(&raw mut polled, 1, 0) }.result()?;
    Ok(polled.revents)
}

/// The same for what is no socket: the other side has hung up and left nothing.
fn hang_up(number: c_int) -> io::Result<usize> {
    let events = events(number)?;
    let has = |event: c_short| events & event != 0;
    if has(libc::POLLIN) {
        Ok(1)
    } else if has(libc::POLLERR) {
        Err(Errno::PIPE)
    } else if has(libc::POLLHUP) {
        Ok(0)
    } else {
        Err(Errno::AGAIN)
    }
}
