//! Giving a new socket the options of the one it replaces.

use std::os::fd::BorrowedFd;

use rustix::io;
use rustix::net::sockopt::{self as options, Timeout};

use super::sockopt;

/// `SO_BUF_LOCK` of socket(7), Linux 5.14: which buffer sizes the program has set itself.
const SO_BUF_LOCK: libc::c_int = 72;
const SNDBUF_LOCKED: libc::c_int = 1;
const RCVBUF_LOCKED: libc::c_int = 2;

/// Options with an integer value that rustix does not have.
const INTEGERS: &[(libc::c_int, libc::c_int)] = &[
    (libc::SOL_SOCKET, libc::SO_MARK),
    (libc::SOL_SOCKET, libc::SO_RCVLOWAT),
    (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT),
];

/// Copies the options that a program may have set on `from` to `to`, which must not be connected yet.
///
/// * any socket: `SO_KEEPALIVE`, `SO_LINGER`, `SO_OOBINLINE`, `SO_RCVTIMEO`, `SO_SNDTIMEO`, `SO_REUSEADDR`,
///   `SO_BROADCAST`, `SO_RCVLOWAT`, `SO_PRIORITY`, `SO_MARK`, `SO_BINDTODEVICE`;
/// * TCP: `TCP_NODELAY`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, `TCP_USER_TIMEOUT`, `TCP_CONGESTION`,
///   `TCP_THIN_LINEAR_TIMEOUTS`, `TCP_NOTSENT_LOWAT`;
/// * IP: `IP_TOS`, `IPV6_TCLASS`, `IP_RECVTOS`, `IPV6_RECVTCLASS`, `IP_FREEBIND`;
/// * Unix: `SO_PASSCRED`;
/// * `SO_SNDBUF` and `SO_RCVBUF` only where the program has set them (`SO_BUF_LOCK`): setting them ends the
///   kernel's own tuning.
///
/// Not copied: `TCP_CORK` (it would hold back what a recovery function sends), `TCP_QUICKACK` (not lasting),
/// `TCP_ULP` (the keys of a TLS session died with it), filters, multicast memberships, TTLs.
///
/// An option that one of the two sockets does not have, or that needs a privilege, is skipped.
pub(crate) fn copy_options(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    copy(from, to, options::socket_keepalive, options::set_socket_keepalive);
    copy(from, to, options::socket_linger, options::set_socket_linger);
    copy(from, to, options::socket_oobinline, options::set_socket_oobinline);
    copy(from, to, options::socket_reuseaddr, options::set_socket_reuseaddr);
    copy(from, to, options::socket_broadcast, options::set_socket_broadcast);
    copy(from, to, options::socket_passcred, options::set_socket_passcred);
    for which in [Timeout::Recv, Timeout::Send] {
        copy(
            from,
            to,
            |fd| options::socket_timeout(fd, which),
            |fd, value| options::set_socket_timeout(fd, which, value),
        );
    }

    copy(from, to, options::tcp_nodelay, options::set_tcp_nodelay);
    copy(from, to, options::tcp_keepidle, options::set_tcp_keepidle);
    copy(from, to, options::tcp_keepintvl, options::set_tcp_keepintvl);
    copy(from, to, options::tcp_keepcnt, options::set_tcp_keepcnt);
    copy(from, to, options::tcp_user_timeout, options::set_tcp_user_timeout);
    copy(from, to, options::tcp_thin_linear_timeouts, options::set_tcp_thin_linear_timeouts);
    copy(from, to, options::tcp_congestion, |fd, name: String| options::set_tcp_congestion(fd, &name));

    copy(from, to, options::ip_tos, options::set_ip_tos);
    copy(from, to, options::ip_recvtos, options::set_ip_recvtos);
    copy(from, to, options::ip_freebind, options::set_ip_freebind);
    copy(from, to, options::ipv6_tclass, options::set_ipv6_tclass);
    copy(from, to, options::ipv6_recvtclass, options::set_ipv6_recvtclass);

    for &(level, name) in INTEGERS {
        copy(
            from,
            to,
            |fd| sockopt::integer(fd, level, name),
            |fd, value| sockopt::set_integer(fd, level, name, value),
        );
    }
    // After IP_TOS, which derives a priority of its own (socket(7)).
    copy(
        from,
        to,
        |fd| sockopt::integer(fd, libc::SOL_SOCKET, libc::SO_PRIORITY),
        |fd, value| sockopt::set_integer(fd, libc::SOL_SOCKET, libc::SO_PRIORITY, value),
    );
    copy_device(from, to);
    copy_buffer_sizes(from, to);
}

/// Reads an option of one socket and sets it on the other; either may refuse.
fn copy<'fd, T>(
    from: BorrowedFd<'fd>,
    to: BorrowedFd<'fd>,
    get: impl FnOnce(BorrowedFd<'fd>) -> io::Result<T>,
    set: impl FnOnce(BorrowedFd<'fd>, T) -> io::Result<()>,
) {
    let _ = get(from).and_then(|value| set(to, value));
}

/// `SO_BINDTODEVICE`: the empty name means "not bound", and setting that one is skipped.
fn copy_device(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    if let Ok((name, length)) = sockopt::bytes::<{ libc::IFNAMSIZ }>(from, libc::SOL_SOCKET, libc::SO_BINDTODEVICE)
        && length > 1
    {
        let _ = sockopt::set_bytes(to, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, &name[..length]);
    }
}

fn copy_buffer_sizes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) {
    let Ok(locked) = sockopt::integer(from, libc::SOL_SOCKET, SO_BUF_LOCK) else { return };
    // The kernel doubles what it is told and reports the double (socket(7)). The FORCE variants need CAP_NET_ADMIN and
    // go beyond the system's maximum, as the program may have done.
    if locked & SNDBUF_LOCKED != 0
        && let Ok(size) = options::socket_send_buffer_size(from)
        && options::set_socket_send_buffer_size_force(to, size / 2).is_err()
    {
        let _ = options::set_socket_send_buffer_size(to, size / 2);
    }
    if locked & RCVBUF_LOCKED != 0
        && let Ok(size) = options::socket_recv_buffer_size(from)
        && options::set_socket_recv_buffer_size_force(to, size / 2).is_err()
    {
        let _ = options::set_socket_recv_buffer_size(to, size / 2);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use rustix::net::{AddressFamily, SocketType};

    use super::*;

    fn tcp() -> OwnedFd {
        rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()
    }

    #[test]
    fn what_the_program_has_set_is_copied() {
        let (from, to) = (tcp(), tcp());
        options::set_socket_keepalive(&from, true).unwrap();
        options::set_tcp_keepidle(&from, Duration::from_secs(17)).unwrap();
        options::set_tcp_nodelay(&from, true).unwrap();
        options::set_tcp_user_timeout(&from, 4321).unwrap();
        options::set_socket_timeout(&from, Timeout::Recv, Some(Duration::from_secs(3))).unwrap();
        options::set_ip_tos(&from, 0x10).unwrap();
        copy_options(from.as_fd(), to.as_fd());
        assert!(options::socket_keepalive(&to).unwrap());
        assert_eq!(options::tcp_keepidle(&to).unwrap(), Duration::from_secs(17));
        assert!(options::tcp_nodelay(&to).unwrap());
        assert_eq!(options::tcp_user_timeout(&to).unwrap(), 4321);
        assert_eq!(options::socket_timeout(&to, Timeout::Recv).unwrap(), Some(Duration::from_secs(3)));
        assert_eq!(options::ip_tos(&to).unwrap(), 0x10);
    }

    #[test]
    fn buffer_sizes_set_by_the_program_are_copied_undoubled() {
        let (from, to) = (tcp(), tcp());
        options::set_socket_recv_buffer_size(&from, 20_000).unwrap();
        copy_options(from.as_fd(), to.as_fd());
        let size = options::socket_recv_buffer_size(&from).unwrap();
        assert_eq!(options::socket_recv_buffer_size(&to).unwrap(), size);
        assert_eq!(sockopt::integer(to.as_fd(), libc::SOL_SOCKET, SO_BUF_LOCK), Ok(RCVBUF_LOCKED));
    }

    #[test]
    fn untouched_buffers_stay_with_the_kernels_tuning() {
        let (from, to) = (tcp(), tcp());
        copy_options(from.as_fd(), to.as_fd());
        assert_eq!(sockopt::integer(to.as_fd(), libc::SOL_SOCKET, SO_BUF_LOCK), Ok(0));
    }
}
