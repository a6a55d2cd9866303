//! Open file descriptions: whether two numbers share one, what flags it carries, whether it lives.
//!
//! # Safety
//!
//! Two things need `unsafe` here: turning a number into a [`BorrowedFd`], and `fcntl` commands and `kcmp` that
//! rustix does not have. None of them passes a pointer.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::{self, Errno, FdFlags};
use rustix::net::{RecvFlags, SocketType};
use smallvec::SmallVec;
use syscalls::{Sysno, syscall};

use super::socket::{TcpState, tcp_state};

/// `F_DUPFD_QUERY` of fcntl(2), Linux 6.10: do two numbers share a description?
const F_DUPFD_QUERY: i32 = 1027;
/// `KCMP_FILE` of kcmp(2).
const KCMP_FILE: i32 = 0;

/// The number as a borrowed descriptor, for the length of a call.
///
/// # Errors
///
/// `EBADF` for a negative number. One that is not open is reported by the call it is used for.
#[inline]
pub(crate) fn borrow_number<'fd>(number: RawFd) -> io::Result<BorrowedFd<'fd>> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, the only value that is not allowed. Whether it is open is what the callers ask the
    // kernel; a closed one gives them EBADF, and nothing here closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Whether the number is open at this moment.
pub(crate) fn is_open(number: RawFd) -> bool {
    borrow_number(number).and_then(io::fcntl_getfd).is_ok()
}

/// Holds on to the description behind a number, whatever becomes of the number.
///
/// The pin never gets one of the numbers 0 to 2, which programs expect to be free after they have closed them.
///
/// Closing a pin of a *file* drops the process's POSIX record locks on it (fcntl(2)): pin sockets and pipes only, or
/// files whose locks do not matter.
///
/// # Errors
///
/// `EBADF` when the number is not open, `EMFILE` when the process has no free number.
pub(crate) fn pin(number: RawFd) -> io::Result<OwnedFd> {
    io::fcntl_dupfd_cloexec(borrow_number(number)?, 3)
}

/// The same, under a number that is not `taken`: a member that was closed behind our back has one that the kernel gives out again.
///
/// # Errors
///
/// Those of [`pin`].
pub(crate) fn pin_outside(number: RawFd, taken: impl Fn(RawFd) -> bool) -> io::Result<OwnedFd> {
    let mut refused = SmallVec::<[OwnedFd; 2]>::new();
    let pinned = loop {
        match pin(number) {
            Ok(pinned) if taken(pinned.as_raw_fd()) => refused.push(pinned),
            pinned => break pinned,
        }
    };
    for refused in refused {
        // SAFETY: ours until now. Not by a drop: that goes through libc's `close`, and so through the cover that ends a membership.
        unsafe { io::close(refused.into_raw_fd()) };
    }
    pinned
}

/// Whether two numbers share one open file description; a number that is not open shares none.
///
/// `None`: the kernel cannot tell (older than 6.10, and built without kcmp or forbidding it).
pub(crate) fn same_description(a: RawFd, b: RawFd) -> Option<bool> {
    // SAFETY: F_DUPFD_QUERY takes an integer and touches no memory of ours.
    match unsafe { syscall!(Sysno::fcntl, a, F_DUPFD_QUERY, b) } {
        Ok(answer) => return Some(answer == 1),
        Err(syscalls::Errno::EBADF) => return Some(false),
        Err(_) => {}
    }
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: KCMP_FILE takes two integers and touches no memory of ours.
    match unsafe { syscall!(Sysno::kcmp, process, process, KCMP_FILE, a, b) } {
        Ok(order) => Some(order == 0),
        Err(syscalls::Errno::EBADF) => Some(false),
        Err(_) => None,
    }
}

/// Gives `to` the status flags that `from` has and `F_SETFL` can set; never clears one that `to` has.
///
/// `O_ASYNC` is left out: its owner (`F_SETOWN`) does not follow, so the signal would go nowhere. A flag that the
/// new file refuses (`O_DIRECT`, `O_NOATIME`) does not keep the others from being set.
///
/// # Errors
///
/// Those of `F_GETFL`, and of `F_SETFL` for `O_APPEND` and `O_NONBLOCK`.
pub(crate) fn carry_status_flags(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let essential = OFlags::APPEND | OFlags::NONBLOCK;
    let optional = OFlags::DIRECT | OFlags::NOATIME;
    let wanted = rustix::fs::fcntl_getfl(from)?;
    let has = rustix::fs::fcntl_getfl(to)?;
    let all = has | (wanted & (essential | optional));
    if all == has || rustix::fs::fcntl_setfl(to, all).is_ok() {
        return Ok(());
    }
    rustix::fs::fcntl_setfl(to, has | (wanted & essential))
}

/// Whether the number is closed by exec.
///
/// # Errors
///
/// `EBADF` when the number is not open.
pub(crate) fn close_on_exec(number: RawFd) -> io::Result<bool> {
    Ok(io::fcntl_getfd(borrow_number(number)?)?.contains(FdFlags::CLOEXEC))
}

/// `O_RDONLY`, `O_WRONLY` or `O_RDWR`.
///
/// # Errors
///
/// `EBADF` when the number is not open.
pub(crate) fn access_mode(fd: BorrowedFd<'_>) -> io::Result<OFlags> {
    Ok(rustix::fs::fcntl_getfl(fd)? & OFlags::RWMODE)
}

/// Whether the description can be used at this moment, as far as the kernel knows without asking the server.
///
/// A pipe whose writer has gone but whose data has not been read is alive; a socket in that state is not: what it
/// still holds is the rest of a dead connection.
pub(crate) fn looks_alive(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&fd, PollFlags::IN)];
    if rustix::event::poll(&mut polled, Some(&Timespec::default())).is_err() {
        return false;
    }
    let events = polled[0].revents();
    if events.intersects(PollFlags::ERR | PollFlags::NVAL) {
        return false;
    }
    // Without anything to read there is no end of the stream either.
    let is_over = || events.contains(PollFlags::IN) && ends_here(fd);
    if let Some(state) = tcp_state(fd) {
        return state == TcpState::Established && !events.contains(PollFlags::HUP) && !is_over();
    }
    match rustix::net::sockopt::socket_type(fd) {
        Ok(SocketType::STREAM) => !events.contains(PollFlags::HUP) && !is_over(),
        Ok(_) => !events.contains(PollFlags::HUP),
        Err(_) => !events.contains(PollFlags::HUP) || events.contains(PollFlags::IN),
    }
}

/// Whether a read on this stream socket would see its end, or its error, now.
fn ends_here(fd: BorrowedFd<'_>) -> bool {
    let mut byte = [0_u8; 1];
    match rustix::net::recv(fd, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((bytes, _)) => bytes == 0,
        Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// Asks `poll` for one descriptor, for at most `limit`; true when it is ready or in error.
///
/// # Errors
///
/// Those of poll(2); an interruption counts as "not ready yet".
pub(crate) fn wait_for(fd: BorrowedFd<'_>, events: PollFlags, limit: std::time::Duration) -> io::Result<bool> {
    // Beyond what a timespec can hold: no limit.
    let limit = Timespec::try_from(limit).ok();
    match rustix::event::poll(&mut [PollFd::new(&fd, events)], limit.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn dups_share_a_description_and_a_second_open_does_not() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let dup = file.try_clone().unwrap();
        let other = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(same_description(file.as_raw_fd(), dup.as_raw_fd()), Some(true));
        assert_eq!(same_description(file.as_raw_fd(), other.as_raw_fd()), Some(false));
        assert_eq!(same_description(file.as_raw_fd(), 1 << 28), Some(false));
        assert_eq!(same_description(1 << 28, file.as_raw_fd()), Some(false));
    }

    #[test]
    fn a_pin_shares_the_description_and_leaves_the_standard_numbers_alone() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let pinned = pin(file.as_raw_fd()).unwrap();
        assert!(pinned.as_raw_fd() >= 3);
        assert!(close_on_exec(pinned.as_raw_fd()).unwrap());
        assert_eq!(same_description(file.as_raw_fd(), pinned.as_raw_fd()), Some(true));
        assert_eq!(pin(-1).unwrap_err(), Errno::BADF);
    }

    #[test]
    fn negative_and_closed_numbers_are_not_open() {
        assert!(!is_open(-1));
        assert!(!is_open(1 << 28));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(is_open(file.as_raw_fd()));
    }

    #[test]
    fn status_flags_are_united_never_cleared() {
        let from = tempfile::tempfile().unwrap();
        let to = tempfile::tempfile().unwrap();
        rustix::fs::fcntl_setfl(&from, OFlags::APPEND).unwrap();
        rustix::fs::fcntl_setfl(&to, OFlags::NONBLOCK).unwrap();
        carry_status_flags(from.as_fd(), to.as_fd()).unwrap();
        let flags = rustix::fs::fcntl_getfl(&to).unwrap();
        assert!(flags.contains(OFlags::APPEND | OFlags::NONBLOCK));
        assert_eq!(access_mode(to.as_fd()).unwrap(), OFlags::RDWR);
    }

    #[test]
    fn a_stream_is_alive_until_its_peer_has_gone() {
        let (near, far) = UnixStream::pair().unwrap();
        assert!(looks_alive(near.as_fd()));
        drop(far);
        assert!(!looks_alive(near.as_fd()));
    }

    #[test]
    fn a_half_closed_tcp_connection_is_not_alive() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(looks_alive(client.as_fd()));
        server.shutdown(std::net::Shutdown::Write).unwrap();
        while !wait_for(client.as_fd(), PollFlags::IN, std::time::Duration::from_secs(10)).unwrap() {}
        assert!(!looks_alive(client.as_fd()));
    }

    #[test]
    fn a_pipe_with_unread_data_is_alive_without_a_writer() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"x").unwrap();
        drop(writer);
        assert!(looks_alive(reader.as_fd()));
        let mut byte = [0];
        std::io::Read::read_exact(&mut &reader, &mut byte).unwrap();
        assert!(!looks_alive(reader.as_fd()));
    }
}
