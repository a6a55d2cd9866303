//! Calls that only sockets have.

use std::io;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;

use rustix::net::{self, RecvFlags, SendFlags};

use super::Covered;
use crate::recover::Request;

impl Covered {
    /// Sends bytes, as send(2) does; never raises SIGPIPE.
    ///
    /// On a stream socket a call that the peer's death has cut short counts as failed, and is issued again whole on the
    /// new connection. So what one call sends goes through one connection: a record written with one call is never torn.
    ///
    /// # Errors
    ///
    /// Those of send(2); the original one when the connection could not be recovered.
    pub fn send(&self, buffer: &[u8], flags: SendFlags) -> io::Result<usize> {
        let flags = flags | SendFlags::NOSIGNAL;
        self.call(Request::write(buffer.len()), |fd| net::send(fd, buffer, flags))
    }

    /// Receives bytes, as recv(2) does.
    ///
    /// With [`RecvFlags::WAITALL`] a call that the peer's death has cut short counts as failed, and is issued again
    /// whole on the new connection. So what one call receives came through one connection: a record read with one call
    /// is never pieced together of two. (As ever, a signal, SIGCONT included, can cut such a call short: signal(7). The rest
    /// is then to be read, unless [`generation`](Self::generation) has changed.)
    ///
    /// # Errors
    ///
    /// Those of recv(2); the original one when the connection could not be recovered.
    pub fn recv(&self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        let whole = flags.contains(RecvFlags::WAITALL) && !flags.contains(RecvFlags::DONTWAIT);
        let request = if whole { Request::read_whole(buffer.len()) } else { Request::read(buffer.len()) };
        self.call(request, |fd| net::recv(fd, &mut *buffer, flags).map(|(received, _)| received))
    }

    /// Shuts down one direction or both, as shutdown(2) does.
    ///
    /// What follows from it is not taken for a death: a broken pipe after the writing was shut down, an end of file
    /// after either. A recovery that comes later brings a connection with both directions open.
    ///
    /// # Errors
    ///
    /// Those of shutdown(2). The call itself never recovers, but waits for a recovery that is under way.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let kernels = match how {
            Shutdown::Read => net::Shutdown::Read,
            Shutdown::Write => net::Shutdown::Write,
            Shutdown::Both => net::Shutdown::Both,
        };
        let shut = |fd: BorrowedFd<'_>| {
            // Before the kernel wakes those who read: what they are told follows from this.
            self.connection.note_shutdown(how);
            net::shutdown(fd, kernels).map(|()| 0)
        };
        self.call(Request::PASSIVE, shut).map(drop)
    }
}
