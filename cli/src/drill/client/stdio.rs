//! A stream of C's standard library on a covered number.
//!
//! libc's streams do not call `read`, `write` and `close` by these names, so they show whether they are covered from
//! underneath.
//!
//! # Safety
//!
//! The pointer comes from `fdopen` and goes to `fclose` when the stream is dropped. Streams have a lock of their own.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};

use nix::unistd::{Whence, lseek};

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    file: NonNull<libc::FILE>,
    number: RawFd,
    is_seekable: bool,
}

// SAFETY: see the top of this file.
unsafe impl Send for Stream {}

// SAFETY: see the top of this file.
unsafe impl Sync for Stream {}

impl Stream {
    /// A stream that owns the descriptor from now on.
    pub(super) fn on(descriptor: OwnedFd, mode: &CStr) -> io::Result<Self> {
        let is_seekable = lseek(&descriptor, 0, Whence::SeekCur).is_ok();
        // SAFETY: the mode ends with a zero byte.
        let file = unsafe { libc::fdopen(descriptor.as_raw_fd(), mode.as_ptr()) };
        let file = NonNull::new(file).ok_or_else(io::Error::last_os_error)?;
        let stream = Self { file, number: descriptor.into_raw_fd(), is_seekable };
        if mode == c"r" {
            // Without buffer: the other numbers of the connection are read in turn with this one.
            // SAFETY: see the top of this file.
            unsafe { libc::setvbuf(file.as_ptr(), ptr::null_mut(), libc::_IONBF, 0) };
        }
        Ok(stream)
    }

    /// Reads what there is.
    pub(super) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        // `fread` waits for everything that it is asked for. Of a FIFO only one byte is certain to be there, or to come.
        let wanted = if self.is_seekable { bytes.len() } else { bytes.len().min(1) };
        // SAFETY: at least so many bytes fit.
        let count = unsafe { libc::fread(bytes.as_mut_ptr().cast(), 1, wanted, self.file.as_ptr()) };
        let error = io::Error::last_os_error();
        // SAFETY: see the top of this file.
        let has_failed = unsafe { libc::ferror(self.file.as_ptr()) } != 0;
        // The end of file is not the end of a file that is read again from its beginning.
        // SAFETY: see the top of this file.
        unsafe { libc::clearerr(self.file.as_ptr()) };
        if has_failed { Err(error) } else { Ok(count) }
    }

    /// Writes bytes, and everything that was buffered.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: so many bytes are there.
        let count = unsafe { libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), self.file.as_ptr()) };
        // SAFETY: see the top of this file.
        match unsafe { libc::fflush(self.file.as_ptr()) } {
            0 => Ok(count),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.number
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // What a dead connection says when it is closed is of no interest.
        // SAFETY: see the top of this file.
        let _ = unsafe { libc::fclose(self.file.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_stream_passes_on_at_once_what_it_is_given() {
        let (reading, writing) = nix::unistd::pipe().unwrap();
        let (reading, writing) = (Stream::on(reading, c"r").unwrap(), Stream::on(writing, c"w").unwrap());
        assert_eq!(writing.write(b"ab").unwrap(), 2);
        let mut bytes = [0; 4];
        assert_eq!((reading.read(&mut bytes).unwrap(), bytes[0]), (1, b'a'));
        drop(writing);
        assert_eq!((reading.read(&mut bytes).unwrap(), bytes[0]), (1, b'b'));
        assert_eq!(reading.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn a_stream_on_a_file_moves_the_offset_that_its_dups_share() {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcdef").unwrap();
        let stream = Stream::on(file.as_fd().try_clone_to_owned().unwrap(), c"r").unwrap();
        lseek(&file, 0, Whence::SeekSet).unwrap();
        let mut bytes = [0; 4];
        assert_eq!(stream.read(&mut bytes).unwrap(), 4);
        assert_eq!(lseek(&file, 0, Whence::SeekCur).unwrap(), 4);
        assert_eq!((stream.read(&mut bytes).unwrap(), stream.read(&mut bytes).unwrap()), (2, 0));
        lseek(&file, 0, Whence::SeekSet).unwrap();
        assert_eq!(stream.read(&mut bytes).unwrap(), 4);
    }

    #[test]
    fn a_stream_that_cannot_read_says_so() {
        let (_, writing) = nix::unistd::pipe().unwrap();
        let stream = Stream::on(writing, c"w").unwrap();
        assert!(stream.read(&mut [0]).is_err());
    }
}
