//! Which kind of thing a descriptor is.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, StatxFlags};
use rustix::io::{self, Errno};
use rustix::net::SocketType;

use crate::table::Kind;

/// Looks at a descriptor without asking the server behind it.
///
/// `fstat` on FUSE and NFS asks the server once the cached attributes have expired, and hangs while the server is
/// frozen (measured); the type of an open file never changes, so the cached one is right.
///
/// # Errors
///
/// `EBADF` when the number is not open.
pub(crate) fn kind_of(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    match rustix::net::sockopt::socket_type(fd) {
        Ok(SocketType::STREAM) => return Ok(Kind::Stream),
        Ok(_) => return Ok(Kind::Socket),
        Err(_) => {}
    }
    Ok(match file_type(fd)? {
        FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::BlockDevice => Kind::File,
        FileType::Fifo => Kind::Pipe,
        FileType::CharacterDevice => Kind::Terminal,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => Kind::Other,
    })
}

/// The file type, from the kernel's own copy of the attributes.
pub(crate) fn file_type(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let mode = match rustix::fs::statx(fd, c"", flags, StatxFlags::TYPE) {
        Ok(status) => u32::from(status.stx_mode),
        // Seccomp filters older than statx(2) answer EPERM.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::fstat(fd)?.st_mode,
        Err(errno) => return Err(errno),
    };
    Ok(FileType::from_raw_mode(mode))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn kind(fd: impl AsFd) -> Kind {
        kind_of(fd.as_fd()).unwrap()
    }

    #[test]
    fn every_kind_of_descriptor_is_recognised() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(kind(std::fs::File::open(directory.path()).unwrap()), Kind::File);
        assert_eq!(kind(tempfile::tempfile().unwrap()), Kind::File);
        assert_eq!(kind(std::io::pipe().unwrap().0), Kind::Pipe);
        assert_eq!(kind(std::os::unix::net::UnixStream::pair().unwrap().0), Kind::Stream);
        assert_eq!(kind(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()), Kind::Socket);
        assert_eq!(kind(std::fs::File::open("/dev/null").unwrap()), Kind::Terminal);
        let flags = rustix::event::EventfdFlags::CLOEXEC;
        assert_eq!(kind(rustix::event::eventfd(0, flags).unwrap()), Kind::Other);
    }
}
