//! What a program may do with the C library, one call each.

use std::ffi::{c_int, c_uint};

use arbitrary::Arbitrary;

/// What the program does next.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Makes a new connection, under a number that is not open.
    Connect(Number),
    /// `ha_attach`.
    Attach(Number, Function, Flags),
    /// `ha_detach`.
    Detach(Number),
    /// `ha_connection_ctrl`.
    Control(Number, Command, i8),
    /// `ha_dup`.
    HaDup(Number),
    /// The cover of dup.
    Dup(Number),
    /// The cover of dup2: a copy of the first one under the second one.
    Dup2(Number, Number),
    /// `ha_close`.
    HaClose(Number),
    /// The cover of close.
    Close(Number),
    /// The server cuts the connection of a number.
    Die(Number),
    /// One byte, by the cover of write.
    Write(Number),
}

/// One of the numbers that the program knows, or no number at all.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) u8);

/// The recovery function that is attached.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Connects again.
    Again,
    /// Says that it could not.
    MinusOne,
    /// Returns another number.
    Another,
    /// Does nothing and says that all is well.
    Liar,
    /// NULL.
    Missing,
}

/// `flags` of `ha_attach`.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flags {
    None,
    Replace,
    Unknown,
    ReplaceAndUnknown,
}

impl Flags {
    pub(crate) fn bits(self) -> c_uint {
        match self {
            Self::None => 0,
            Self::Replace => 1,
            Self::Unknown => 2,
            Self::ReplaceAndUnknown => 0x8000_0001,
        }
    }
}

/// `command` of `ha_connection_ctrl`.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    LimitTotal,
    LimitInARow,
    Suspend,
    Enable,
    ForgiveInARow,
    ForgiveTotal,
    Unknown(i8),
}

impl Command {
    pub(crate) fn number(self) -> c_int {
        match self {
            Self::LimitTotal => 1,
            Self::LimitInARow => 2,
            Self::Suspend => 3,
            Self::Enable => 4,
            Self::ForgiveInARow => 5,
            Self::ForgiveTotal => 6,
            // Neither zero nor one of those above, and negative in half of the cases.
            Self::Unknown(number) => c_int::from(number) | 64,
        }
    }
}
