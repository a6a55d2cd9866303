//! Writing to a covered number without SIGPIPE: the signal is raised when it is certain that the program must see the
//! broken pipe, as the plain call would have raised it.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

use ha_core::Kind;
use ha_core::number::{Captured, Request, repair, without_sigpipe};
use libc::{iovec, msghdr, ssize_t};

use super::{sockets, transmit};
use crate::returned::call;
use crate::rules::watched;

/// `RWF_NOSIGNAL` of pwritev2(2), Linux 6.18.
pub(super) const RWF_NOSIGNAL: c_int = 0x100;

/// The kernel has said that it does not know `RWF_NOSIGNAL`.
static KERNEL_LACKS_NOSIGNAL: AtomicBool = AtomicBool::new(false);

/// A write of these parts at the description's own offset; `plain` is the call as the program made it.
#[inline]
pub(crate) fn write(
    covered: Captured,
    number: c_int,
    parts: &[iovec],
    mut plain: impl FnMut(c_int) -> ssize_t,
) -> ssize_t {
    let length = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.iov_len));
    let request = Request::write(length).cancellable();
    match covered.kind() {
        // Nothing to write, or more parts than the kernel takes: it says what it thinks of that.
        _ if parts.is_empty() => call(covered, request, plain),
        Kind::Stream | Kind::Socket => {
            before_write(covered, number);
            let sent = call(covered, request, |number| send(number, parts));
            wrote(covered, number, parts, sent);
            raise_if_broken(covered.kind(), false, sent)
        }
        Kind::Pipe => {
            let written = call(covered, request, |number| write_to_pipe(number, parts, &mut plain));
            raise_if_broken(Kind::Pipe, false, written)
        }
        _ => call(covered, request, plain),
    }
}

fn send(number: c_int, parts: &[iovec]) -> ssize_t {
    if let [part] = parts {
        // SAFETY: the part is as the program gave it.
        return unsafe { sockets::original::send(number, part.iov_base, part.iov_len, libc::MSG_NOSIGNAL) };
    }
    // SAFETY: all zeroes is an empty header.
    let mut header: msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = parts.as_ptr().cast_mut();
    header.msg_iovlen = parts.len() as _;
    // SAFETY: the header and its parts live as long as the call, which only reads them.
    unsafe { sockets::original::sendmsg(number, &raw const header, libc::MSG_NOSIGNAL) }
}

fn write_to_pipe(number: c_int, parts: &[iovec], plain: &mut impl FnMut(c_int) -> ssize_t) -> ssize_t {
    // Relaxed: a hint; a thread that does not see it yet learns the same from the kernel.
    if !KERNEL_LACKS_NOSIGNAL.load(Ordering::Relaxed) {
        let many = c_int::try_from(parts.len()).unwrap_or(c_int::MAX);
        // SAFETY: the parts live as long as the call, which only reads them.
        let written = unsafe { transmit::original::pwritev2(number, parts.as_ptr(), many, -1, RWF_NOSIGNAL) };
        let refused = [libc::EOPNOTSUPP, libc::EINVAL, libc::ENOSYS];
        if written != -1 || !refused.contains(&ha_core::number::errno::get()) {
            return written;
        }
        KERNEL_LACKS_NOSIGNAL.store(true, Ordering::Relaxed);
    }
    without_sigpipe(|| plain(number))
}

/// Tells who watches the connection that a write begins.
#[inline]
pub(crate) fn before_write(covered: Captured, number: c_int) {
    if covered.is_watched() {
        watched::before_write(number);
    }
}

/// Tells who watches the connection what was written.
#[inline]
pub(crate) fn wrote(covered: Captured, number: c_int, parts: &[iovec], written: ssize_t) {
    if covered.is_watched() {
        watched::wrote(number, parts, written);
    }
}

/// Raises SIGPIPE where the plain call would have.
#[inline]
pub(crate) fn raise_if_broken(kind: Kind, unwanted: bool, written: ssize_t) -> ssize_t {
    if written == -1 && !unwanted {
        raise(kind);
    }
    written
}

#[cold]
fn raise(kind: Kind) {
    let errno = ha_core::number::errno::get();
    // A recovery function that meets a dead server is told so, and says that it has not recovered.
    if errno == libc::EPIPE && matches!(kind, Kind::Stream | Kind::Pipe) && !repair::is_any_under_way_here() {
        // SAFETY: a valid signal, sent to this thread.
        unsafe { libc::raise(libc::SIGPIPE) };
        ha_core::number::errno::set(errno);
    }
}
