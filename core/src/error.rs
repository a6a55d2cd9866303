//! What can go wrong when descriptors are attached and detached; each error says what to do, and has one errno.

use std::io;
use std::os::fd::RawFd;

use rustix::io::Errno;

/// Why a descriptor could not be made recoverable. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The number is no open descriptor.
    #[error("descriptor {0} is not open: open it before attaching a recovery function")]
    NotOpen(RawFd),
    /// It has a recovery function already.
    #[error(
        "descriptor {0} has a recovery function already: replace it with `Covered::recover_by` (flag HAREPLACERECOVERYFN in C)"
    )]
    AlreadyAttached(RawFd),
    /// It has none to be replaced.
    #[error("descriptor {0} has no recovery function to replace: attach without asking to replace")]
    NothingToReplace(RawFd),
    /// This is a child made by vfork, raw clone or `_Fork`, and the table is its parent's.
    #[error("this process shares its memory or its handlers with its parent: attach before vfork, or after exec")]
    AnotherProcess,
    /// No recovery function was given.
    #[error("no recovery function was given: name one with `recovered_by` or `recovered_with`")]
    NoFunction,
    /// There is no memory for the table.
    #[error("out of memory for the table of descriptors: free some and try again")]
    NoMemory,
    /// The recovery function cannot recover this descriptor.
    #[error("the recovery function refuses this descriptor: {0}")]
    Refused(#[source] io::Error),
}

impl AttachError {
    /// The errno that C callers see.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotOpen(_) | Self::NothingToReplace(_) => Errno::BADF,
            Self::AlreadyAttached(_) => Errno::BUSY,
            Self::AnotherProcess => Errno::PERM,
            Self::NoFunction => Errno::INVAL,
            Self::NoMemory => Errno::NOMEM,
            Self::Refused(error) => Errno::from_io_error(error).unwrap_or(Errno::INVAL),
        }
    }
}

impl From<AttachError> for io::Error {
    fn from(error: AttachError) -> Self {
        Self::new(Self::from(error.errno()).kind(), error)
    }
}

/// The number has no recovery function (EBADF).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("descriptor {0} has no recovery function: attach one first")]
pub(crate) struct NotAttached(pub(crate) RawFd);
