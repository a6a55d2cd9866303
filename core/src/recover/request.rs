//! What the engine has to know of a call to judge its result and to issue it again.

use rustix::io::{self, Errno};

/// What a covered call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Takes bytes from the description: at its own offset, or at this one.
    Read { at: Option<u64> },
    /// Gives bytes to the description.
    Write,
    /// Makes what was written durable: repaired, but never reported as done (a success would be a lie).
    Sync,
    /// Asks or changes something else: seek, stat, truncate, ioctl.
    Control,
    /// Changes what the application wants of the description: shutdown.
    Passive,
}

/// A call's result as the kernel returns it: bytes moved, or an errno below zero.
///
/// A `Result` of two words goes through memory on its way back, in halves that the processor cannot forward: 5 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct InRegister(isize);

impl InRegister {
    pub(crate) const fn is(self, errno: Errno) -> bool {
        self.0 == -(errno.raw_os_error() as isize)
    }
}

impl From<io::Result<usize>> for InRegister {
    #[inline]
    fn from(result: io::Result<usize>) -> Self {
        match result {
            Ok(moved) => Self(moved.cast_signed()),
            Err(errno) => Self(-(errno.raw_os_error() as isize)),
        }
    }
}

impl From<InRegister> for io::Result<usize> {
    #[inline]
    fn from(InRegister(result): InRegister) -> Self {
        match usize::try_from(result) {
            Ok(moved) => Ok(moved),
            Err(_) => Err(Errno::from_raw_os_error(-result as i32)),
        }
    }
}

impl From<InRegister> for std::io::Result<usize> {
    #[inline]
    fn from(result: InRegister) -> Self {
        match usize::try_from(result.0) {
            Ok(moved) => Ok(moved),
            Err(_) => Err(std::io::Error::from_raw_os_error(-result.0 as i32)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    /// Bytes asked for; 0 where the call moves none.
    pub(crate) length: usize,
    /// A result below this many bytes is worth a look.
    enough: usize,
    /// Whether the call may end with EINTR when a handler without SA_RESTART runs.
    pub(crate) interruptible: bool,
}

impl Request {
    /// Any number of bytes will do.
    pub(crate) const fn read(length: usize) -> Self {
        let enough = if length == 0 { 0 } else { 1 };
        Self { operation: Operation::Read { at: None }, length, enough, interruptible: true }
    }

    pub(crate) const fn read_at(length: usize, offset: u64) -> Self {
        Self { operation: Operation::Read { at: Some(offset) }, ..Self::read(length) }
    }

    /// Only all of them will do (MSG_WAITALL): fewer mean that the peer has died in the middle.
    pub(crate) const fn read_whole(length: usize) -> Self {
        Self { enough: length, ..Self::read(length) }
    }

    /// A write that moves fewer bytes than asked for may have been torn by the peer's death.
    pub(crate) const fn write(length: usize) -> Self {
        Self { operation: Operation::Write, length, enough: length, interruptible: true }
    }

    pub(crate) const SYNC: Self = Self { operation: Operation::Sync, length: 0, enough: 0, interruptible: false };

    /// Waits while an episode is open, but its own result is never taken for a death.
    pub(crate) const PASSIVE: Self = Self { operation: Operation::Passive, ..Self::SYNC };

    pub(crate) const CONTROL: Self = Self { operation: Operation::Control, ..Self::SYNC };

    /// Whether this result needs no second look.
    #[inline]
    pub(crate) const fn is_met_by(&self, result: InRegister) -> bool {
        result.0 >= self.enough.cast_signed()
    }
}
