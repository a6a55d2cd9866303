//! Reading, writing and seeking: at the description's own offset, at a given one, in one buffer or several.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs;
use rustix::io::Errno;

use super::Covered;
use crate::kernel::quiet_write;
use crate::recover::{InRegister, Request, TABLE, is_writable};
use crate::table::{Kind, Word};

impl Covered {
    /// Reads at `offset` without moving the description's own offset, as pread(2) does.
    ///
    /// # Errors
    ///
    /// Those of pread(2); the original one when the connection could not be recovered.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let request = Request::read_at(buffer.len(), offset);
        self.call(request, |fd| rustix::io::pread(fd, &mut *buffer, offset))
    }

    /// Writes at `offset` without moving the description's own offset, as pwrite(2) does.
    ///
    /// # Errors
    ///
    /// Those of pwrite(2); the original one when the connection could not be recovered.
    pub fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        let request = Request::write(buffer.len());
        self.call(request, |fd| rustix::io::pwrite(fd, buffer, offset))
    }

    /// Makes what was written durable, data and metadata, as fsync(2) does.
    ///
    /// # Errors
    ///
    /// Those of fsync(2). When the server has died, the connection is recovered and the error is returned *all the
    /// same*: what was written before may be lost, and a success would say that it is durable. If another call has
    /// recovered the connection since the last sync of a file open for writing, this one returns EIO for the same
    /// reason: once for all clones, as the kernel reports a failed write-back once. Write again what has not been
    /// synced, then sync again.
    pub fn sync_all(&self) -> io::Result<()> {
        self.sync(|fd| fs::fsync(fd))
    }

    /// Makes what was written durable, data only, as fdatasync(2) does. See [`sync_all`](Self::sync_all).
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    pub fn sync_data(&self) -> io::Result<()> {
        self.sync(|fd| fs::fdatasync(fd))
    }

    /// Goes on with a read: `result` is what it has brought if it was made at once, and is not enough.
    #[cold]
    #[inline(never)]
    fn read_on(&self, buffer: &mut [u8], word: Word, result: Option<InRegister>) -> io::Result<usize> {
        let request = Request::read(buffer.len());
        self.go_on(request, word, result, |fd| rustix::io::read(fd, &mut *buffer))
    }

    /// Goes on with a write, as [`read_on`](Self::read_on) does.
    #[inline(never)]
    fn write_on(&self, buffer: &[u8], word: Word, result: Option<InRegister>) -> io::Result<usize> {
        let request = Request::write(buffer.len());
        self.go_on(request, word, result, |fd| quiet_write::write(fd, self.connection.kind, buffer))
    }

    fn sync(&self, sync: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<()>) -> io::Result<()> {
        self.call(Request::SYNC, |fd| sync(fd).map(|()| 0))?;
        // The new description is in sync; whether the old one was when it died nobody knows. As the kernel does after
        // a failed write-back, one sync says so.
        let lost = self.connection.kind == Kind::File && self.connection.take_unsynced() && is_writable(self.as_fd());
        if lost { Err(Errno::IO.into()) } else { Ok(()) }
    }

    /// Sets the file's length in bytes, as ftruncate(2) does.
    ///
    /// # Errors
    ///
    /// Those of ftruncate(2); the original one when the connection could not be recovered.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.call(Request::CONTROL, |fd| fs::ftruncate(fd, length).map(|()| 0))?;
        self.connection.forget_size_above(length);
        // Where the offset stands beyond the new end, it says nothing of what was written there.
        if let Ok(offset) = fs::tell(self) {
            self.connection.note_seek(offset);
        }
        Ok(())
    }

    /// Sets or clears `O_NONBLOCK`, for all clones; a recovered description has it as well. Waits while a recovery is
    /// under way, so that it cannot be lost.
    ///
    /// # Errors
    ///
    /// Those of fcntl(2), `F_SETFL`.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let set = |fd: BorrowedFd<'_>| rustix::io::ioctl_fionbio(fd, nonblocking).map(|()| 0);
        self.call(Request::PASSIVE, set).map(drop)
    }

    /// The description's status, as fstat(2) tells it.
    ///
    /// # Errors
    ///
    /// Those of fstat(2); the original one when the connection could not be recovered.
    pub fn stat(&self) -> io::Result<fs::Stat> {
        let mut stat = None;
        self.call(Request::CONTROL, |fd| {
            stat = Some(fs::fstat(fd)?);
            Ok(0)
        })?;
        stat.ok_or_else(|| io::ErrorKind::Other.into())
    }
}

impl Read for &Covered {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let word = TABLE.word(self.number());
        let result = word.is_quiet().then(|| rustix::io::read(&**self, &mut *buffer));
        match result {
            Some(Ok(moved)) if moved > 0 => Ok(moved),
            _ => self.read_on(buffer, word, result.map(InRegister::from)),
        }
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let request = Request::read(buffers.iter().map(|buffer| buffer.len()).sum());
        self.call(request, |fd| rustix::io::readv(fd, buffers))
    }
}

impl Write for &Covered {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let word = TABLE.word(self.number());
        let result = word.is_covered_and_quiet_to_write().then(|| rustix::io::write(&**self, buffer));
        match result {
            Some(Ok(moved)) if moved == buffer.len() => Ok(moved),
            _ => self.write_on(buffer, word, result.map(InRegister::from)),
        }
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let kind = self.connection.kind;
        let request = Request::write(buffers.iter().map(|buffer| buffer.len()).sum());
        self.call(request, move |fd| quiet_write::write_vectored(fd, kind, buffers))
    }

    /// Nothing is buffered here: always succeeds.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &Covered {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            SeekFrom::Start(offset) => fs::SeekFrom::Start(offset),
            SeekFrom::End(offset) => fs::SeekFrom::End(offset),
            SeekFrom::Current(offset) => fs::SeekFrom::Current(offset),
        };
        if let fs::SeekFrom::Start(offset) = position {
            self.connection.note_seek(offset);
        }
        let mut reached = 0;
        let seek = |fd: BorrowedFd<'_>| {
            reached = fs::seek(fd, position)?;
            Ok(0)
        };
        self.call(Request::CONTROL, seek)?;
        if !matches!(position, fs::SeekFrom::Start(_) | fs::SeekFrom::Current(0)) {
            self.connection.note_seek(reached);
        }
        Ok(reached)
    }
}

impl Read for Covered {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for Covered {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self).write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Covered {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        (&*self).seek(position)
    }
}
