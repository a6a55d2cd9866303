//! What the engine has to know of a call to judge its result and to issue it again.

use rustix::io::{self, Errno};

use crate::connection::Operation;

/// A call's result as the kernel returns it: bytes moved, or an errno below zero.
///
/// A `Result` of two words goes through memory on its way back, in halves that the processor cannot forward: 5 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct InRegister(isize);

impl InRegister {
    /// Bytes moved, or an errno below zero.
    #[inline]
    pub(crate) const fn signed(self) -> isize {
        self.0
    }

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

/// What the engine has to know of a call.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub(crate) operation: Operation,
    /// Bytes asked for; 0 where the call moves none.
    pub(crate) length: usize,
    /// A result below this many bytes is worth a look.
    enough: usize,
    /// Whether the call may end with EINTR when a handler without SA_RESTART runs.
    pub(crate) interruptible: bool,
    /// Whether the call is a cancellation point.
    pub(crate) cancellable: bool,
    /// Whether the call is about the number itself and not only about its description: an epoll registration.
    pub(crate) by_number: bool,
    /// Whether the call is about another number as well, so that an error may be that one's.
    pub(crate) shared: bool,
    /// Whether an error can be a death only if it is one for this kind of description. Then the connection need not be asked
    /// about the others.
    pub(crate) by_kind: bool,
}

impl Request {
    /// Any number of bytes will do.
    #[must_use]
    pub const fn read(length: usize) -> Self {
        Self {
            operation: Operation::Read { at: None },
            length,
            enough: 1,
            interruptible: true,
            cancellable: false,
            by_number: false,
            shared: false,
            by_kind: false,
        }
    }

    /// Any number of bytes from this offset of the file.
    #[must_use]
    pub const fn read_at(length: usize, offset: u64) -> Self {
        Self { operation: Operation::Read { at: Some(offset) }, ..Self::read(length) }
    }

    /// Only all of them will do (MSG_WAITALL): fewer mean that the peer has died in the middle.
    #[must_use]
    pub const fn read_whole(length: usize) -> Self {
        Self { enough: length, ..Self::read(length) }
    }

    /// A write that moves fewer bytes than asked for may have been torn by the peer's death.
    #[must_use]
    pub const fn write(length: usize) -> Self {
        Self { operation: Operation::Write, enough: length, ..Self::read(length) }
    }

    /// A write of which any number of bytes will do.
    #[must_use]
    pub const fn write_some(length: usize) -> Self {
        Self { operation: Operation::Write, ..Self::read(length) }
    }

    /// fsync(2) and its kin.
    pub const SYNC: Self = Self { operation: Operation::Sync, enough: 0, interruptible: false, ..Self::read(0) };

    /// Waits while an episode is open, but its own result is never taken for a death.
    pub const PASSIVE: Self = Self { operation: Operation::Passive, ..Self::SYNC };

    /// Asks or changes something: seek, stat, truncate, ioctl.
    pub const CONTROL: Self = Self { operation: Operation::Control, ..Self::SYNC };

    /// The call may be cancelled while it waits.
    #[must_use]
    pub const fn cancellable(self) -> Self {
        Self { cancellable: true, ..self }
    }

    /// The call may end with EINTR.
    #[must_use]
    pub const fn interruptible(self) -> Self {
        Self { interruptible: true, ..self }
    }

    /// The call is issued on the number itself also when it is issued again.
    #[must_use]
    pub const fn by_number(self) -> Self {
        Self { by_number: true, ..self }
    }

    /// The call is about another number as well: an error is a death of this one only if it shows to be dead.
    #[must_use]
    pub const fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    pub(crate) const fn judged_by_kind(self) -> Self {
        Self { by_kind: true, ..self }
    }

    /// What the call does.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Whether the call is issued on the number itself also when it is issued again.
    #[must_use]
    pub const fn is_by_number(&self) -> bool {
        self.by_number
    }

    /// Whether this result, below zero if the call has failed, needs no second look.
    #[inline(always)]
    #[must_use]
    pub const fn is_met_by(&self, result: isize) -> bool {
        // A read of no bytes is met by none. Asked last: whoever got bytes is through.
        result >= self.enough.cast_signed() || self.length == 0 && result >= 0
    }
}
