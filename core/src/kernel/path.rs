//! The path and the offset of an open file, from /proc.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::io::{self, Errno};

use super::proc_file;

/// The absolute path of an open file.
///
/// Ask while the file's mount is there: after an unmount the kernel leaves out the mount's own part of the path.
///
/// # Errors
///
/// `ENOENT` when the file has no path (any more): a pipe, a socket, a deleted file, or /proc is not mounted. `EBADF`
/// when the number is not open.
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> io::Result<PathBuf> {
    rustix::io::fcntl_getfd(fd)?;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let path = rustix::fs::readlinkat(CWD, link, Vec::new())?.into_bytes();
    if !path.starts_with(b"/") || path.ends_with(b" (deleted)") {
        return Err(Errno::NOENT);
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

/// The file offset of the description behind a number; `None` when there is none to be had.
///
/// `lseek` takes the lock that a read hanging on the same description holds, and would hang as well (measured).
pub(crate) fn file_offset(number: RawFd) -> Option<u64> {
    let information = proc_file::contents(&format!("/proc/self/fdinfo/{number}")).ok()?;
    proc_file::field(&information, "pos")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_open_file_knows_its_path_until_it_is_deleted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let real = file.path().canonicalize().unwrap();
        assert_eq!(path_of(file.as_file().as_fd()), Ok(real));
        let kept = file.as_file().try_clone().unwrap();
        drop(file);
        assert_eq!(path_of(kept.as_fd()), Err(Errno::NOENT));
    }

    #[test]
    fn pipes_and_sockets_have_no_path() {
        assert_eq!(path_of(std::io::pipe().unwrap().0.as_fd()), Err(Errno::NOENT));
    }

    #[test]
    fn the_offset_is_read_without_seeking() {
        let mut file = tempfile::tempfile().unwrap();
        file.seek(SeekFrom::Start(1234)).unwrap();
        assert_eq!(file_offset(file.as_raw_fd()), Some(1234));
        assert_eq!(file_offset(1 << 28), None);
    }
}
