//! The Rust API: a descriptor that outlives the server behind it.

mod adopted;
mod builder;
mod data;
mod socket;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use crate::connection::function::Recover;
use crate::connection::{Connection, Membership, Report, change};
use crate::error::AttachError;
use crate::kernel::borrow_number;
use crate::recover::{self, InRegister, Outcome, Request, TABLE};
use crate::sync::Arc;
use crate::table::{Target, Word};
pub(crate) use adopted::adopt_number;

pub use builder::{Builder, cover};

/// What has happened to each connection that goes to this server, as [`Recover::target`] names it.
#[must_use]
pub fn connections_to(target: &Target) -> Vec<Report> {
    let connections = {
        let _change = change();
        TABLE.connections_to(target)
    };
    connections.iter().map(|connection| connection.report()).collect()
}

/// A descriptor that is recovered when the server behind it dies.
///
/// It reads and writes like the descriptor it was made of. A call that fails because the connection is gone waits
/// until the connection is back and is then issued again; the program sees a slow call instead of an error. If the
/// connection cannot be recovered, the call returns what it had met itself: the error, or for a read that had met the end
/// of file, `Ok(0)`. [`take_outcome`](Self::take_outcome) tells that end of file from an honest one.
///
/// The number is this value's own: nobody else may close it.
///
/// # Concurrency
///
/// All calls take `&self` and may come from any number of threads, on this descriptor and on its
/// [clones](Self::try_clone). However many of them fail, the recovery function runs once. While it runs, calls on
/// every clone wait; none ever sees a connection that is not wholly recovered.
///
/// # Non-blocking descriptors
///
/// `O_NONBLOCK` stays in force for the calls themselves. A recovery is waited for even so, up to its deadline.
///
/// # What it cannot know
///
/// A call is issued again whole. Whether the server had carried it out before it died, only the protocol can tell:
/// see [`take_outcome`](Self::take_outcome), and send again in the recovery function what had no answer.
pub struct Covered {
    /// None only while it is dropped or taken apart.
    descriptor: Option<OwnedFd>,
    connection: Arc<Connection>,
}

impl Covered {
    #[inline]
    fn number(&self) -> RawFd {
        self.descriptor.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Every call of this API passes here, but for reads and writes that succeed at once.
    fn call(
        &self,
        request: Request,
        mut issue: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        recover::call(&TABLE, self.number(), request, move |number| issue(borrow_number(number)?)).into()
    }

    /// The same, for a caller who has looked at the word, and perhaps made the call at once.
    fn go_on(
        &self,
        request: Request,
        word: Word,
        result: Option<InRegister>,
        mut issue: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        let issue = move |number| issue(borrow_number(number)?);
        match result {
            None => recover::call_with(&TABLE, self.number(), word, request, issue),
            Some(result) => recover::check(&TABLE, self.number(), word, request, result, issue),
        }
        .into()
    }

    /// Makes another descriptor for the same connection, as `dup` does; both share one recovery.
    ///
    /// The new descriptor is closed on exec. While the connection is being recovered this waits for the verdict, so
    /// that the clone never stands for a dead connection that everybody else has left.
    ///
    /// # Errors
    ///
    /// Those of `F_DUPFD_CLOEXEC`, see fcntl(2): EMFILE when the process has no number left.
    pub fn try_clone(&self) -> io::Result<Self> {
        let source = self.number();
        let copy = || Ok(rustix::io::fcntl_dupfd_cloexec(borrow_number(source)?, 3)?.into_raw_fd());
        let number = recover::duplicate(&TABLE, source, Membership::Asked, copy, |number| drop(adopt_number(number)))?;
        Ok(Self { descriptor: Some(adopt_number(number)), connection: Arc::clone(&self.connection) })
    }

    /// Replaces the recovery function, for this descriptor and all its clones. An episode that is open ends with the
    /// old one.
    ///
    /// # Errors
    ///
    /// [`AttachError::Refused`]: the new function cannot recover this descriptor, and the old one stays.
    pub fn recover_by(&self, recovery: impl Recover) -> Result<(), AttachError> {
        recover::replace(&TABLE, self.number(), Box::new(recovery))
    }

    /// Starts the counts anew that [`Builder::at_most`] and [`Builder::at_most_in_a_row`] bound.
    pub fn forgive(&self) {
        self.connection.limits.reset_total();
        self.connection.limits.reset_in_a_row();
    }

    /// Turns recovery off: from now on this descriptor and its clones return their errors as they come.
    pub fn suspend(&self) {
        self.connection.limits.suspend(true);
    }

    /// Turns recovery on again.
    pub fn resume(&self) {
        self.connection.limits.suspend(false);
    }

    /// Makes this descriptor an ordinary one again. Clones stay covered.
    #[must_use = "the descriptor is closed when it is dropped"]
    pub fn detach(mut self) -> OwnedFd {
        self.leave();
        match self.descriptor.take() {
            Some(descriptor) => descriptor,
            None => unreachable!("a descriptor is taken once, by the one who owns it"),
        }
    }

    /// What has happened to the connection since it was attached. Counts of all threads and clones.
    #[must_use]
    pub fn report(&self) -> Report {
        self.connection.report()
    }

    /// The generation that the connection is in: its successful recoveries, modulo 2^15.
    ///
    /// Other threads may move it at any time. If it is the same before and after a call, the call used one connection.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.connection.gate.look().0.generation()
    }

    /// What has happened to this thread's calls on the connection since this thread last asked.
    ///
    /// A call that succeeds at once leaves no trace, so the answer is about all calls since the last question, on this
    /// descriptor and its clones.
    #[must_use]
    pub fn take_outcome(&self) -> Outcome {
        recover::take_outcome(self.connection.identity)
    }

    /// Unlinks the number before anybody closes it: order at close.
    fn leave(&self) {
        // Not attached any more is as good.
        let _ = recover::detach(&TABLE, self.number());
    }
}

impl Drop for Covered {
    fn drop(&mut self) {
        if self.descriptor.is_some() {
            self.leave();
        }
    }
}

impl AsFd for Covered {
    /// The descriptor itself. Calls made on it directly do not recover, but see each recovery.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            Some(descriptor) => descriptor.as_fd(),
            None => unreachable!("a descriptor is taken only by the one who owns it"),
        }
    }
}

impl AsRawFd for Covered {
    fn as_raw_fd(&self) -> RawFd {
        self.number()
    }
}

impl fmt::Debug for Covered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Covered").field("number", &self.number()).field("connection", &self.connection).finish()
    }
}

#[cfg(test)]
impl Covered {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}
