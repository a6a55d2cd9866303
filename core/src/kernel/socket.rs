//! What state a socket is in, and how to end what it is doing.

use std::os::fd::BorrowedFd;

use rustix::net::Shutdown;

use super::sockopt;

/// The state of a TCP connection, from `TCP_INFO` (tcp(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpState {
    Established,
    /// A connect is under way.
    Connecting,
    /// The peer has closed its side; whether it still reads is not known.
    CloseWait,
    /// No connection, never or no more.
    Closed,
    /// Any of the others: listening, or closing from this side.
    Other,
}

/// The state of a TCP socket; `None` for any other descriptor.
pub(crate) fn tcp_state(fd: BorrowedFd<'_>) -> Option<TcpState> {
    // tcpi_state is the first byte of struct tcp_info; the numbers are those of linux/include/net/tcp_states.h.
    let ([state], _) = sockopt::bytes::<1>(fd, libc::IPPROTO_TCP, libc::TCP_INFO).ok()?;
    Some(match state {
        1 => TcpState::Established,
        2 | 3 => TcpState::Connecting,
        7 => TcpState::Closed,
        8 => TcpState::CloseWait,
        _ => TcpState::Other,
    })
}

/// Bytes written that the peer's kernel has not acknowledged; known for TCP only.
///
/// It stays exact after the connection has died, until `disconnect` (measured; then it is garbage). Unix sockets
/// count buffer memory instead of bytes, and 0 once the peer has gone: no answer for those.
pub(crate) fn unsent(fd: BorrowedFd<'_>) -> Option<usize> {
    tcp_state(fd)?;
    sockopt::outgoing_queue(fd).ok().and_then(|bytes| usize::try_from(bytes).ok())
}

/// Bytes that can be read without waiting (`FIONREAD`); 0 when the descriptor cannot tell.
pub(crate) fn unread(fd: BorrowedFd<'_>) -> usize {
    rustix::io::ioctl_fionread(fd).ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0)
}

/// Whether the socket has, or had, a peer.
///
/// A TCP socket loses its peer when it is reset (measured), but not the count of its segments.
pub(crate) fn was_connected(fd: BorrowedFd<'_>) -> bool {
    matches!(rustix::net::getpeername(fd), Ok(Some(_))) || has_sent_segments(fd)
}

fn has_sent_segments(fd: BorrowedFd<'_>) -> bool {
    /// Where `tcpi_segs_out` and `tcpi_segs_in` stand in `struct tcp_info` (Linux 4.2, linux/include/uapi/linux/tcp.h).
    const SEGMENTS: std::ops::Range<usize> = 136..144;
    sockopt::bytes::<{ SEGMENTS.end }>(fd, libc::IPPROTO_TCP, libc::TCP_INFO)
        .is_ok_and(|(info, length)| length >= SEGMENTS.end && info[SEGMENTS].iter().any(|byte| *byte != 0))
}

/// Ends a TCP connection so that the same description can be connected anew (`connect(AF_UNSPEC)`, connect(2)).
///
/// Threads blocked on it come back. A reset is sent when the peer is still there.
///
/// # Errors
///
/// `EINVAL` for Unix stream sockets.
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::net::connect_unspec(fd))
}

/// Makes threads that are blocked on the socket come back; they see the end of the stream.
pub(crate) fn wake_blocked(fd: BorrowedFd<'_>) {
    // ENOTCONN: nobody can be blocked. ENOTSOCK: nothing to be done here.
    let _ = rustix::net::shutdown(fd, Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use rustix::event::PollFlags;

    use super::*;
    use crate::kernel::description::wait_for;

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, server)
    }

    #[test]
    fn the_state_follows_the_connection() {
        let (client, server) = connected();
        assert_eq!(tcp_state(client.as_fd()), Some(TcpState::Established));
        drop(server);
        while !wait_for(client.as_fd(), PollFlags::IN, Duration::from_secs(10)).unwrap() {}
        assert_eq!(tcp_state(client.as_fd()), Some(TcpState::CloseWait));
        disconnect(client.as_fd()).unwrap();
        assert_eq!(tcp_state(client.as_fd()), Some(TcpState::Closed));
    }

    #[test]
    fn only_tcp_has_a_state_and_unsent_bytes() {
        let (near, _far) = UnixStream::pair().unwrap();
        assert_eq!(tcp_state(near.as_fd()), None);
        assert_eq!(unsent(near.as_fd()), None);
        let (client, _server) = connected();
        assert_eq!(unsent(client.as_fd()), Some(0));
    }

    #[test]
    fn bytes_that_nobody_has_read_are_counted() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"hello").unwrap();
        assert_eq!(unread(near.as_fd()), 5);
    }

    #[test]
    fn a_thread_blocked_in_a_read_is_woken() {
        let (near, _far) = UnixStream::pair().unwrap();
        let dup = near.try_clone().unwrap();
        let reader = std::thread::spawn(move || (&dup).read(&mut [0]).unwrap());
        wake_blocked(near.as_fd());
        assert_eq!(reader.join().unwrap(), 0);
    }

    #[test]
    fn a_socket_without_a_peer_was_not_connected() {
        let (client, _server) = connected();
        assert!(was_connected(client.as_fd()));
        let lonely = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(!was_connected(lonely.as_fd()));
    }
}
