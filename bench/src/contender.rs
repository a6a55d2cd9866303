//! Ways to move bytes through a descriptor.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use ha_core::{Covered, cover};

use crate::library::{Attached, Calls, Library};
use crate::tables::{Never, Numbers, raise_limit};

/// One way.
pub trait Contender {
    /// A descriptor as this way holds it.
    type End;
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Takes a descriptor over.
    ///
    /// # Errors
    ///
    /// When it cannot.
    fn hold(&self, descriptor: OwnedFd) -> io::Result<Self::End>;
    /// Bytes, or below zero.
    fn write(&self, end: &Self::End, bytes: &[u8]) -> isize;
    /// Bytes, or below zero.
    fn read(&self, end: &Self::End, buffer: &mut [u8]) -> isize;
}

/// libc's own call.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub Calls);

impl Contender for Plain {
    type End = OwnedFd;

    fn name(&self) -> &'static str {
        "libc"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<OwnedFd> {
        Ok(descriptor)
    }

    #[inline]
    fn write(&self, end: &OwnedFd, bytes: &[u8]) -> isize {
        self.0.write(end.as_raw_fd(), bytes)
    }

    #[inline]
    fn read(&self, end: &OwnedFd, buffer: &mut [u8]) -> isize {
        self.0.read(end.as_raw_fd(), buffer)
    }
}

/// The C library's cover, on a number that is not covered.
#[derive(Clone, Copy, Debug)]
pub struct Uncovered(pub Library);

impl Contender for Uncovered {
    type End = OwnedFd;

    fn name(&self) -> &'static str {
        "cover, uncovered number"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<OwnedFd> {
        Ok(descriptor)
    }

    #[inline]
    fn write(&self, end: &OwnedFd, bytes: &[u8]) -> isize {
        self.0.covers.write(end.as_raw_fd(), bytes)
    }

    #[inline]
    fn read(&self, end: &OwnedFd, buffer: &mut [u8]) -> isize {
        self.0.covers.read(end.as_raw_fd(), buffer)
    }
}

/// The C library's cover, on a covered number.
#[derive(Clone, Copy, Debug)]
pub struct Covering(pub Library);

impl Contender for Covering {
    type End = Attached;

    fn name(&self) -> &'static str {
        "cover, covered number"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<Attached> {
        self.0.attach(descriptor)
    }

    #[inline]
    fn write(&self, end: &Attached, bytes: &[u8]) -> isize {
        self.0.covers.write(end.number(), bytes)
    }

    #[inline]
    fn read(&self, end: &Attached, buffer: &mut [u8]) -> isize {
        self.0.covers.read(end.number(), buffer)
    }
}

/// Another way, with a number that is not one of the first.
#[derive(Clone, Copy, Debug)]
pub struct Farther<C>(pub C);

/// In no table's first part.
const FAR: RawFd = 2_000;

impl<C: Contender> Contender for Farther<C> {
    type End = C::End;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<C::End> {
        raise_limit(2 * u64::from(FAR.unsigned_abs()));
        self.0.hold(rustix::io::fcntl_dupfd_cloexec(&descriptor, FAR)?)
    }

    #[inline]
    fn write(&self, end: &C::End, bytes: &[u8]) -> isize {
        self.0.write(end, bytes)
    }

    #[inline]
    fn read(&self, end: &C::End, buffer: &mut [u8]) -> isize {
        self.0.read(end, buffer)
    }
}

/// The Rust API, in functions of the program's own, as its [measure](Direct) is: where both are inlined, their times are
/// those of the places that they are inlined at, a tenth up or down.
#[derive(Clone, Copy, Debug)]
pub struct Api;

impl Contender for Api {
    type End = Covered;

    fn name(&self) -> &'static str {
        "Rust API"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<Covered> {
        cover(descriptor).recovered_by(Never).attach().map_err(io::Error::other)
    }

    #[inline(never)]
    fn write(&self, mut end: &Covered, bytes: &[u8]) -> isize {
        end.write(bytes).map_or(-1, usize::cast_signed)
    }

    #[inline(never)]
    fn read(&self, mut end: &Covered, buffer: &mut [u8]) -> isize {
        end.read(buffer).map_or(-1, usize::cast_signed)
    }
}

/// The Rust API's measure: the system call without libc around it.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

impl Contender for Direct {
    type End = OwnedFd;

    fn name(&self) -> &'static str {
        "rustix"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<OwnedFd> {
        Ok(descriptor)
    }

    #[inline(never)]
    fn write(&self, end: &OwnedFd, bytes: &[u8]) -> isize {
        rustix::io::write(end, bytes).map_or(-1, usize::cast_signed)
    }

    #[inline(never)]
    fn read(&self, end: &OwnedFd, buffer: &mut [u8]) -> isize {
        rustix::io::read(end, buffer).map_or(-1, usize::cast_signed)
    }
}

/// What one would write instead: libc's call, after a lookup of the number in a table of one's own.
#[derive(Debug)]
pub struct LookedUp<T> {
    calls: Calls,
    table: T,
}

/// The highest number that [`LookedUp`] can hold.
const HIGHEST: RawFd = 1023;

impl<T: Numbers> LookedUp<T> {
    /// With an empty table.
    #[must_use]
    pub fn with(calls: Calls) -> Self {
        Self { calls, table: T::up_to(HIGHEST) }
    }
}

impl<T: Numbers> Contender for LookedUp<T> {
    type End = OwnedFd;

    fn name(&self) -> &'static str {
        T::NAME
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<OwnedFd> {
        self.table.put(descriptor.as_raw_fd())?;
        Ok(descriptor)
    }

    #[inline]
    fn write(&self, end: &OwnedFd, bytes: &[u8]) -> isize {
        let number = end.as_raw_fd();
        if self.table.has(number) { self.calls.write(number, bytes) } else { -1 }
    }

    #[inline]
    fn read(&self, end: &OwnedFd, buffer: &mut [u8]) -> isize {
        let number = end.as_raw_fd();
        if self.table.has(number) { self.calls.read(number, buffer) } else { -1 }
    }
}
