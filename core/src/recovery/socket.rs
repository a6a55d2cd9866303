//! A new socket like the old one, connected within a given time.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, SocketType, sockopt};

use super::address::Address;
use crate::kernel::description::wait_for;
use crate::kernel::socket_options::copy_options;
use crate::sync::clock::Moment;

/// A socket of the old one's type and protocol, with its options, connected; in non-blocking mode.
///
/// # Errors
///
/// Those of connect(2); `ETIMEDOUT` when `limit` has passed.
pub(super) fn connected(address: &Address, old: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<OwnedFd> {
    // A number that has been closed no longer knows its type; a stream is what nearly all are.
    let kind = sockopt::socket_type(old).unwrap_or(SocketType::STREAM);
    let same_family = sockopt::socket_domain(old).is_ok_and(|family| family == address.family());
    let protocol = if same_family { sockopt::socket_protocol(old).ok().flatten() } else { None };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let new = rustix::net::socket_with(address.family(), kind, flags, protocol)?;
    // Before the connect: buffer sizes decide the window scale, which is fixed by the handshake (tcp(7)).
    copy_options(old, new.as_fd());
    match address.connect(new.as_fd()) {
        Ok(()) => {}
        // Interrupted, it goes on by itself, as a non-blocking one does (connect(2)).
        Err(Errno::INPROGRESS | Errno::INTR) => finish_connect(new.as_fd(), limit)?,
        Err(errno) => return Err(errno.into()),
    }
    if is_connected_to_itself(new.as_fd(), address) { Err(Errno::CONNREFUSED.into()) } else { Ok(new) }
}

/// Whether a socket that was connected to `address` has met itself: where nobody listens on a port of the ephemeral range,
/// sooner or later the kernel chooses that very port for the caller's side, and the two ends are one (simultaneous open, RFC
/// 9293 3.5).
pub(super) fn is_connected_to_itself(socket: BorrowedFd<'_>, address: &Address) -> bool {
    let Address::Internet(address) = address else { return false };
    let Ok(near) = rustix::net::getsockname(socket) else { return false };
    // The port tells nearly always; the rest may have been a wildcard.
    let may_be = SocketAddr::try_from(near.clone()).is_ok_and(|near| near.port() == address.port());
    may_be && matches!(rustix::net::getpeername(socket), Ok(Some(far)) if far == near)
}

/// Waits for a connect that is under way on a socket of ours.
pub(super) fn finish_connect(socket: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<()> {
    wait_until_writable(socket, limit.map(Moment::after))?;
    sockopt::socket_error(socket)?.map_err(io::Error::from)
}

/// Sends all of it, without SIGPIPE.
///
/// # Errors
///
/// Those of send(2); `ETIMEDOUT` when `limit` has passed.
pub(super) fn say(socket: BorrowedFd<'_>, words: &[u8], limit: Option<Duration>) -> io::Result<()> {
    let until = limit.map(Moment::after);
    let mut rest = words;
    while !rest.is_empty() {
        match rustix::net::send(socket, rest, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => rest = &rest[sent..],
            Err(Errno::AGAIN) => wait_until_writable(socket, until)?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Clears O_NONBLOCK.
pub(super) fn make_blocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(socket)?;
    Ok(rustix::fs::fcntl_setfl(socket, flags & !OFlags::NONBLOCK)?)
}

fn wait_until_writable(socket: BorrowedFd<'_>, until: Option<Moment>) -> io::Result<()> {
    loop {
        let left = until.map_or(Duration::MAX, Moment::remaining);
        if wait_for(socket, PollFlags::OUT, left)? {
            return Ok(());
        }
        if until.is_some_and(|until| until.remaining().is_zero()) {
            return Err(Errno::TIMEDOUT.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_has_met_itself_is_told_from_one_that_has_met_a_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!is_connected_to_itself(client.as_fd(), &Address::Internet(listener.local_addr().unwrap())));

        let lonely = rustix::net::socket(rustix::net::AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&lonely, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = SocketAddr::try_from(rustix::net::getsockname(&lonely).unwrap()).unwrap();
        rustix::net::connect(&lonely, &own).unwrap();
        assert!(is_connected_to_itself(lonely.as_fd(), &Address::Internet(own)));
    }

    #[test]
    fn words_longer_than_the_buffer_are_sent_whole() {
        let (near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let words = vec![7_u8; 3 << 20];
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            all.len()
        });
        say(near.as_fd(), &words, Some(Duration::from_secs(10))).unwrap();
        drop(near);
        assert_eq!(reader.join().unwrap(), words.len());
    }

    #[test]
    fn a_server_that_does_not_read_is_not_waited_for_longer_than_allowed() {
        let (near, _far) = UnixStream::pair().unwrap();
        let error = say(near.as_fd(), &vec![7; 3 << 20], Some(Duration::from_millis(5))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
    }
}
