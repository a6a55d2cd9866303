//! The client that makes plain libc calls, as a C program would, and leaves the rest to the covers in front of them.
//!
//! `nix` calls libc's functions by their names. (rustix issues system calls itself: no cover would see them.)
//!
//! There is no `take_outcome` in C. What a program can know is whether its own call has run the recovery function; that
//! call was issued again if it succeeded. One that waited for another thread's recovery says [`Outcome::Intact`], and
//! the window asks again for it, which is right either way.
#![allow(unsafe_code)]

use std::io::{self, IoSlice, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use ha_core::Outcome;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::MsgFlags;
use nix::unistd::Whence;

use super::library::Library;
use super::recovery_function::{Connection, borrow, checked};
use super::stdio::Stream;
use super::{Number, Revival};
use crate::drill::episodes::Episodes;

/// One number of a connection.
struct Plain {
    handle: Handle,
    /// After the handle, so that it lives until the number is closed.
    connection: Arc<Connection>,
}

/// What C programs hold a number by; each is closed in its own way.
enum Handle {
    /// One that an `ha_*` function has made or attached.
    Asked(Asked),
    /// One that libha has learned of by itself, because it is a dup.
    Learned(OwnedFd),
    /// Such a one with a stream on it.
    Stream(Stream),
}

/// A number that `ha_close` closes.
struct Asked {
    library: &'static Library,
    number: RawFd,
}

/// Covers a connection with `ha_attach`.
pub(super) fn cover(descriptor: OwnedFd, revival: Revival, episodes: Arc<Episodes>) -> io::Result<Box<dyn Number>> {
    let library = Library::loaded().ok_or_else(|| io::Error::other("libha.so is not loaded"))?;
    let connection = Connection::attach(library, &descriptor, revival, episodes)?;
    let handle = Handle::Asked(Asked { library, number: descriptor.into_raw_fd() });
    Ok(Box::new(Plain { handle, connection }))
}

impl Plain {
    /// Waits for bytes without reading any, so that the death of the server shows up here first.
    fn sometimes_await_bytes(&self) -> io::Result<()> {
        // Files are always ready, and what poll(2) says of them is nothing to wait for.
        if self.connection.is_file || self.connection.turn(2) == 0 {
            return Ok(());
        }
        let mut waiting = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut waiting, PollTimeout::NONE)?;
        match waiting[0].revents() {
            // What a dead server has left unread comes first.
            Some(events) if events.contains(PollFlags::POLLIN) => Ok(()),
            other => Err(io::Error::other(format!("poll returned {other:?}"))),
        }
    }
}

impl AsRawFd for Plain {
    fn as_raw_fd(&self) -> RawFd {
        match &self.handle {
            Handle::Asked(asked) => asked.number,
            Handle::Learned(descriptor) => descriptor.as_raw_fd(),
            Handle::Stream(stream) => stream.as_raw_fd(),
        }
    }
}

impl AsFd for Plain {
    fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(self.as_raw_fd())
    }
}

impl Number for Plain {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let (head, tail) = bytes.split_at(bytes.len() / 3);
        Ok(match self.connection.turn(3) {
            0 => nix::sys::socket::send(self.as_raw_fd(), bytes, MsgFlags::empty())?,
            1 => nix::unistd::write(self, bytes)?,
            _ => nix::sys::uio::writev(self, &[IoSlice::new(head), IoSlice::new(tail)])?,
        })
    }

    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.sometimes_await_bytes()?;
        Ok(nix::sys::socket::recv(self.as_raw_fd(), bytes, MsgFlags::MSG_WAITALL)?)
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.handle {
            Handle::Stream(stream) => stream.read(bytes),
            _ => {
                self.sometimes_await_bytes()?;
                Ok(nix::unistd::read(self, bytes)?)
            }
        }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(nix::sys::uio::pread(self, bytes, offset.cast_signed())?)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.handle {
            Handle::Stream(stream) => stream.write(bytes),
            _ => Ok(nix::unistd::write(self, bytes)?),
        }
    }

    fn seek(&self, position: SeekFrom) -> io::Result<u64> {
        let (offset, whence) = match position {
            SeekFrom::Start(offset) => (offset.cast_signed(), Whence::SeekSet),
            SeekFrom::Current(offset) => (offset, Whence::SeekCur),
            SeekFrom::End(offset) => (offset, Whence::SeekEnd),
        };
        Ok(nix::unistd::lseek(self, offset, whence)?.cast_unsigned())
    }

    fn duplicate(&self) -> io::Result<Box<dyn Number>> {
        let library = self.connection.library;
        let handle = match self.connection.turn(4) {
            0 => {
                // SAFETY: `ha_dup` takes any number.
                let number = checked(unsafe { (library.dup)(self.as_raw_fd()) })?;
                Handle::Asked(Asked { library, number })
            }
            1 => Handle::Stream(Stream::on(nix::unistd::dup(self)?, self.connection.revival.endpoint.mode())?),
            2 => Handle::Learned(nix::unistd::dup(self)?),
            // By fcntl and F_DUPFD_CLOEXEC.
            _ => Handle::Learned(self.as_fd().try_clone_to_owned()?),
        };
        Ok(Box::new(Self { handle, connection: Arc::clone(&self.connection) }))
    }

    fn take_outcome(&self) -> Outcome {
        if self.connection.take_recovered_here() { Outcome::Retransmitted } else { Outcome::Intact }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // What a dead connection says when it is closed is of no interest.
        // SAFETY: the number is this value's own, and is given up here.
        let _ = unsafe { (self.library.close)(self.number) };
    }
}
