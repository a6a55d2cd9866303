//! The success path: one load before the call, one comparison after it.

use std::os::fd::RawFd;

use rustix::io;

use crate::recover::{InRegister, Request, TABLE, call_with, check};
use crate::table::{Kind, Word};

/// What the table says about a number at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Captured {
    number: RawFd,
    word: Word,
}

/// Looks at the number. Async-signal-safe; no lock, no write, no thread-local.
#[inline]
#[must_use]
pub fn capture(number: RawFd) -> Captured {
    Captured { number, word: TABLE.word(number) }
}

/// What one look in the fast table says about a number; [`at`](Self::at) makes it a [`Captured`].
#[derive(Clone, Copy, Debug)]
pub struct Glanced(Word);

/// Looks at the number as [`capture()`] does, but only as far as the fast table goes: a number beyond it seems to be covered,
/// and to be watched.
#[inline(always)]
#[must_use]
pub fn glance(number: RawFd) -> Glanced {
    Glanced(TABLE.glance(number))
}

impl Glanced {
    /// Whether the number may be a member of a connection. If not, its call is the plain call.
    #[inline(always)]
    #[must_use]
    pub fn is_covered(self) -> bool {
        self.0.is_covered()
    }

    /// Whether a call may be made at once: no episode is open, and nobody watches the connection.
    #[inline(always)]
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.0.is_quiet()
    }

    /// Whether a write may be made at once and as it is: the number [is quiet](Self::is_quiet), and stands for nothing
    /// whose peer's death would raise SIGPIPE.
    #[inline(always)]
    #[must_use]
    pub fn is_quiet_to_write(self) -> bool {
        self.0.is_quiet_to_write()
    }

    /// The same, of this number, which must be the one that was looked at. What a glance has not seen is looked up.
    #[inline(always)]
    #[must_use]
    pub fn at(self, number: RawFd) -> Captured {
        if self.0 == Word::UNKNOWN { capture_beyond(number) } else { Captured { number, word: self.0 } }
    }
}

#[cold]
#[inline(never)]
fn capture_beyond(number: RawFd) -> Captured {
    capture(number)
}

impl Captured {
    /// The number that was looked at.
    #[inline(always)]
    #[must_use]
    pub fn number(self) -> RawFd {
        self.number
    }

    /// Whether the number is a member of a connection. If not, its call is the plain call.
    #[inline]
    #[must_use]
    pub fn is_covered(self) -> bool {
        self.word.is_covered()
    }

    /// Whether a call may be made at once: no episode is open, and nobody watches the connection.
    #[inline(always)]
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.word.is_quiet()
    }

    /// Whether somebody [watches](super::Watch) the connection's transfers.
    #[inline]
    #[must_use]
    pub fn is_watched(self) -> bool {
        self.word.is_detoured()
    }

    /// Whether no episode is open on the number.
    #[inline]
    #[must_use]
    pub fn is_settled(self) -> bool {
        self.word.is_settled()
    }

    /// What kind of description the number stands for, if it is covered.
    #[inline]
    #[must_use]
    pub fn kind(self) -> Kind {
        self.word.kind()
    }

    /// Makes a call through `issue`, which is given the number to use and may be called several times.
    ///
    /// If the call shows that the connection is dead, it is recovered and the call issued again. An error that does not kill
    /// the number's kind of description is returned at once, and safely in a signal handler. After a success
    /// `errno` is what it was before, or 0 if the call had failed first.
    #[inline]
    pub fn call(self, request: Request, issue: impl FnMut(RawFd) -> io::Result<usize>) -> InRegister {
        call_with(&TABLE, self.number, self.word, request.judged_by_kind(), issue)
    }

    /// Takes over after a call that was made at once, because the number [was quiet](Self::is_quiet). A result that is
    /// [enough](Request::is_met_by) is returned.
    ///
    /// As [`call`](Self::call) from there on.
    #[inline]
    pub fn resume(
        self,
        request: Request,
        result: io::Result<usize>,
        issue: impl FnMut(RawFd) -> io::Result<usize>,
    ) -> InRegister {
        check(&TABLE, self.number, self.word, request.judged_by_kind(), result.into(), issue)
    }
}
