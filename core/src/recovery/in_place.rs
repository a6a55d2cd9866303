//! Connecting the old TCP socket anew, so that every dup, epoll registration, flag and option stays as it is.
//!
//! `connect(AF_UNSPEC)` ends what is left of the old connection, `connect(address)` begins the new one (connect(2);
//! measured: it works after a reset, after an end of file, and again after a refused connect). The source port is chosen
//! anew: an explicit bind(2) is not kept.
//!
//! Other processes may share the description, so `O_NONBLOCK` is left alone. On a blocking socket connect(2) is
//! bounded by `SO_SNDTIMEO` (socket(7)) instead, which is put back afterwards: a neighbour that sends meanwhile is
//! told "not connected" either way, and would never be told `EAGAIN` by a socket that it knows as blocking.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};

use super::address::Address;
use super::socket::{finish_connect, is_connected_to_itself};
use crate::kernel::socket::{TcpState, disconnect, tcp_state};
use crate::kernel::sockopt as raw_options;
use crate::sync::clock::Moment;

/// What became of the attempt to revive the socket.
#[derive(Debug)]
pub(super) enum Revival {
    Revived,
    /// The server does not answer here; the next address may.
    Unanswered(io::Error),
    /// The kernel does not do it for this socket: it takes a new one.
    Impossible,
}

/// Whether the socket is one whose connection is nothing but its TCP state.
///
/// Under TLS in the kernel (`TCP_ULP`) the keys belong to the dead connection; Multipath TCP has not been tried.
pub(super) fn is_plain_tcp(socket: BorrowedFd<'_>) -> bool {
    let protocol = sockopt::socket_protocol(socket).ok().flatten();
    let layered =
        raw_options::bytes::<16>(socket, libc::IPPROTO_TCP, libc::TCP_ULP).is_ok_and(|(_, length)| length > 0);
    protocol == Some(rustix::net::ipproto::TCP) && !layered
}

/// Connects `socket`, which must be dead, to an address of its own family.
pub(super) fn revive(socket: BorrowedFd<'_>, address: &Address, limit: Option<Duration>) -> Revival {
    // Asked first: what a socket of another family still holds is not to be lost for nothing.
    if !sockopt::socket_domain(socket).is_ok_and(|family| family == address.family()) || disconnect(socket).is_err() {
        return Revival::Impossible;
    }
    let error = match connect_within(socket, address, limit) {
        // Close wait: the server has answered already, and gone again. What it sent is there to be read.
        Ok(()) if is_connected_to_itself(socket, address) => Errno::CONNREFUSED.into(),
        Ok(()) if matches!(tcp_state(socket), Some(TcpState::Established | TcpState::CloseWait)) => {
            return Revival::Revived;
        }
        Ok(()) => return Revival::Unanswered(Errno::CONNRESET.into()),
        Err(error) => error,
    };
    match error.raw_os_error() {
        // Another process was faster, or is at it: what it does must not be undone.
        Some(libc::EISCONN) => return Revival::Revived,
        Some(libc::EALREADY) => return Revival::Unanswered(error),
        _ => {}
    }
    // A connect still under way must not succeed later, behind everybody's back.
    let _ = disconnect(socket);
    match error.raw_os_error() {
        // EBUSY: kernels around 6.5, while a thread waits on the socket.
        Some(libc::EBUSY | libc::EINVAL | libc::EOPNOTSUPP) => Revival::Impossible,
        _ => Revival::Unanswered(error),
    }
}

fn connect_within(socket: BorrowedFd<'_>, address: &Address, limit: Option<Duration>) -> io::Result<()> {
    // A limit of zero would mean "none" to the kernel.
    let limit = limit.map(|limit| limit.max(Duration::from_millis(1)));
    let until = limit.map(Moment::after);
    let before = sockopt::socket_timeout(socket, Timeout::Send)?;
    if limit.is_some() {
        sockopt::set_socket_timeout(socket, Timeout::Send, limit)?;
    }
    let begun = address.connect(socket);
    if limit.is_some() {
        let _ = sockopt::set_socket_timeout(socket, Timeout::Send, before);
    }
    match begun {
        Ok(()) => Ok(()),
        // Non-blocking, timed out or interrupted: the connect goes on by itself (connect(2)).
        Err(Errno::INPROGRESS | Errno::INTR) => finish_connect(socket, until.map(Moment::remaining)),
        Err(errno) => Err(errno.into()),
    }
}
