//! The recovery function: what a client supplies, what it is told, what it may answer.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;

use crate::sync::clock::Moment;
use crate::table::{Kind, Target};

/// Obtains a new connection after the old one has died.
///
/// # Rules
///
/// * It runs on the thread whose call failed, once per attempt, with no lock of the library held. Other threads
///   that use the connection wait until it has returned.
/// * Its own covered calls on *other* connections recover as usual, to a depth of eight nested recoveries.
/// * It must not wait for a thread that uses this connection, nor for a lock that is held around a covered call:
///   that thread waits for the recovery to end.
/// * A panic is contained, and counts as "given up".
pub trait Recover: Send + Sync + 'static {
    /// Makes one attempt.
    ///
    /// The new description is put under every number of the connection after this function has returned; until
    /// then nobody else can use it. This is the place to log in and to send again what was outstanding.
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError>;

    /// The server this function goes to, so that connections that share a server can be found.
    fn target(&self) -> Option<Target> {
        None
    }

    /// Whether this is another language's code: what unwinds out of it (pthread_exit) cannot be caught.
    #[doc(hidden)]
    fn is_foreign(&self) -> bool {
        false
    }

    /// Looks at the descriptor when it is attached, while the server is still there: the place to record its path.
    ///
    /// # Errors
    ///
    /// An error refuses the attachment.
    fn attached(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let _ = descriptor;
        Ok(())
    }
}

/// What a successful attempt has obtained.
#[derive(Debug)]
#[non_exhaustive]
pub enum Recovered {
    /// A new description, to be put under every number of the connection.
    Staged(OwnedFd),
    /// The old description is alive again (a TCP socket that was connected anew); dups need nothing.
    InPlace,
}

impl<T: Into<OwnedFd>> From<T> for Recovered {
    fn from(descriptor: T) -> Self {
        Self::Staged(descriptor.into())
    }
}

/// Why an attempt has not recovered, and whether another one makes sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The server is not back yet: try again within the deadline.
    #[error("not recovered yet: {0}")]
    Again(#[source] io::Error),
    /// No later attempt can succeed: this episode ends now. The next call that fails begins another one; to end them for
    /// good, say [`Builder::at_most`](crate::Builder::at_most) or [`Covered::suspend`](crate::Covered::suspend).
    #[error("cannot be recovered: {0}")]
    Final(#[source] io::Error),
}

impl RecoveryError {
    /// The system error underneath.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        match self {
            Self::Again(error) | Self::Final(error) => error,
        }
    }
}

impl From<io::Error> for RecoveryError {
    fn from(error: io::Error) -> Self {
        Self::Again(error)
    }
}

impl From<Errno> for RecoveryError {
    fn from(errno: Errno) -> Self {
        Self::Again(errno.into())
    }
}

/// How the failed call ended, as the kernel reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The call returned this error.
    Errno(Errno),
    /// The call returned an end of file that means the peer is gone.
    EndOfFile,
    /// The call moved fewer bytes than asked for because the peer died in the middle: this many.
    Torn(usize),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => write!(out, "{}", io::Error::from(*errno)),
            Self::EndOfFile => write!(out, "end of file"),
            Self::Torn(bytes) => write!(out, "torn after {bytes} bytes"),
        }
    }
}

/// What a recovery function is told about the failure it is to repair.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub(crate) old: BorrowedFd<'a>,
    pub(crate) number: RawFd,
    pub(crate) kind: Kind,
    pub(crate) failure: Failure,
    pub(crate) count: u32,
    pub(crate) deadline: Option<Moment>,
    pub(crate) unread: usize,
    pub(crate) unsent: Option<usize>,
    pub(crate) known_size: u64,
    pub(crate) in_place: bool,
}

impl<'a> Attempt<'a> {
    /// The dead description. What it still holds can be read here; it is replaced when the attempt succeeds.
    #[must_use]
    pub fn old(&self) -> BorrowedFd<'a> {
        self.old
    }

    /// The number whose call failed.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.number
    }

    /// What kind of descriptor this is; the new one must be of the same kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How the call failed.
    #[must_use]
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// 1 for the first attempt of this episode, 2 for the second, and so on.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What is left of the deadline; `None` when there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(Moment::remaining)
    }

    /// Bytes that the dead server had sent and nobody has read; they can still be read from [`old`](Self::old),
    /// and are gone after a successful attempt.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Bytes written that the peer's kernel never acknowledged (`SIOCOUTQ`); known for TCP only.
    #[must_use]
    pub fn unsent(&self) -> Option<usize> {
        self.unsent
    }

    /// How many bytes of a torn call were moved before the peer died; 0 for any other failure.
    #[must_use]
    pub fn torn(&self) -> usize {
        match self.failure {
            Failure::Torn(bytes) => bytes,
            Failure::Errno(_) | Failure::EndOfFile => 0,
        }
    }

    /// The size in bytes below which the file cannot be if no acknowledged write was lost; 0 when nothing is known.
    #[must_use]
    pub fn known_size(&self) -> u64 {
        self.known_size
    }

    /// Whether the policy allows the old TCP socket to be connected anew instead of being replaced. False for a
    /// connection that has lived through fork, unless the policy says otherwise: another process may be using it.
    #[must_use]
    pub fn may_revive_in_place(&self) -> bool {
        self.in_place
    }
}
