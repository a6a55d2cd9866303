//! Writing without ever raising SIGPIPE.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::{self, Errno, ReadWriteFlags};
use rustix::net::{SendAncillaryBuffer, SendFlags};

use super::signals::without_sigpipe;
use crate::sync::{AtomicBool, Ordering, process_wide};
use crate::table::Kind;

/// `RWF_NOSIGNAL` of pwritev2(2), Linux 6.18.
const NOSIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);
/// "At the file offset", the only place a pipe has (pwritev2(2)).
const AT_OFFSET: u64 = u64::MAX;

process_wide! {
    /// The kernel has said that it does not know `RWF_NOSIGNAL`.
    static KERNEL_LACKS_NOSIGNAL: AtomicBool = AtomicBool::new(false);
}

/// write(2) that reports a broken connection as `EPIPE` and nothing else.
///
/// # Errors
///
/// Those of write(2).
pub(crate) fn write(fd: BorrowedFd<'_>, kind: Kind, bytes: &[u8]) -> io::Result<usize> {
    match kind {
        Kind::Stream | Kind::Socket => rustix::net::send(fd, bytes, SendFlags::NOSIGNAL),
        Kind::Pipe => write_to_pipe(fd, &[IoSlice::new(bytes)]),
        Kind::File | Kind::Terminal | Kind::Channel | Kind::Other => io::write(fd, bytes),
    }
}

/// writev(2) that reports a broken connection as `EPIPE` and nothing else.
///
/// # Errors
///
/// Those of writev(2).
pub(crate) fn write_vectored(fd: BorrowedFd<'_>, kind: Kind, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    match kind {
        Kind::Stream | Kind::Socket => {
            rustix::net::sendmsg(fd, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        }
        Kind::Pipe => write_to_pipe(fd, parts),
        Kind::File | Kind::Terminal | Kind::Channel | Kind::Other => io::writev(fd, parts),
    }
}

fn write_to_pipe(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    // Relaxed: a hint; a thread that does not see it yet learns the same from the kernel.
    if !KERNEL_LACKS_NOSIGNAL.load(Ordering::Relaxed) {
        match io::pwritev2(fd, parts, AT_OFFSET, NOSIGNAL) {
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => KERNEL_LACKS_NOSIGNAL.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    without_sigpipe(|| io::writev(fd, parts))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_broken_pipe_is_an_error_and_no_signal() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(write(writer.as_fd(), Kind::Pipe, b"x"), Err(Errno::PIPE));
        assert_eq!(without_sigpipe(|| io::writev(&writer, &[IoSlice::new(b"x")])), Err(Errno::PIPE));
    }

    #[test]
    fn a_broken_socket_is_an_error_and_no_signal() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        assert_eq!(write(near.as_fd(), Kind::Stream, b"x"), Err(Errno::PIPE));
        assert_eq!(write_vectored(near.as_fd(), Kind::Stream, &[IoSlice::new(b"x")]), Err(Errno::PIPE));
    }

    #[test]
    fn what_is_written_arrives_in_order() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(write(writer.as_fd(), Kind::Pipe, b"ab"), Ok(2));
        let parts = [IoSlice::new(b"cd"), IoSlice::new(b"ef")];
        assert_eq!(write_vectored(writer.as_fd(), Kind::Pipe, &parts), Ok(4));
        let mut all = [0; 6];
        reader.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"abcdef");
    }

    #[test]
    fn an_empty_vector_is_no_reason_to_doubt_the_kernel() {
        let (_reader, writer) = std::io::pipe().unwrap();
        assert_eq!(write_vectored(writer.as_fd(), Kind::Pipe, &[]), Ok(0));
    }
}
