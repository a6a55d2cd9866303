//! The success path: one load before the call, one comparison after it.

use std::os::fd::RawFd;

use rustix::io;

use crate::recover::{InRegister, Request, TABLE, call_with};
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

/// Looks at the number as [`capture()`] does, but only as far as two loads go: if the answer is "covered", [`Captured::looked_up`]
/// makes sure.
#[inline(always)]
#[must_use]
pub fn glance(number: RawFd) -> Captured {
    Captured { number, word: TABLE.glance(number) }
}

impl Captured {
    /// What a [`glance`] has not seen.
    #[inline]
    #[must_use]
    pub fn looked_up(self) -> Self {
        if self.word == Word::UNKNOWN { capture(self.number) } else { self }
    }

    /// Whether the number is a member of a connection. If not, its call is the plain call.
    #[inline]
    #[must_use]
    pub fn is_covered(self) -> bool {
        self.word.is_covered()
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
}
