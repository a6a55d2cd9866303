//! Socket options and queries that rustix does not have.
//!
//! # Safety
//!
//! Each call passes the address and the size of one local value; the kernel writes at most that many bytes
//! (getsockopt(2)), and every bit pattern of the types used is valid.
#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io;
use syscalls::{Sysno, syscall};

use super::errno::from_raw;

/// The first bytes of an option's value, and how many of them the kernel has filled in.
pub(crate) fn bytes<const SIZE: usize>(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<([u8; SIZE], usize)> {
    let mut value = [0_u8; SIZE];
    let mut length = libc::socklen_t::try_from(SIZE).unwrap_or(libc::socklen_t::MAX);
    let (into, size) = (value.as_mut_ptr(), &raw mut length);
    // SAFETY: both pointers are to locals that outlive the call, and `length` is the size of `value`.
    unsafe { syscall!(Sysno::getsockopt, fd.as_raw_fd(), level, name, into, size) }.map_err(from_raw)?;
    Ok((value, SIZE.min(length as usize)))
}

/// An option whose value is an `int`.
pub(crate) fn integer(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let (value, _) = bytes::<{ size_of::<libc::c_int>() }>(fd, level, name)?;
    Ok(libc::c_int::from_ne_bytes(value))
}

/// Sets an option to the bytes given.
pub(crate) fn set_bytes(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int, value: &[u8]) -> io::Result<()> {
    let (from, size) = (value.as_ptr(), value.len());
    // SAFETY: the kernel reads at most `size` bytes from `from`, which is the slice's own address and length.
    unsafe { syscall!(Sysno::setsockopt, fd.as_raw_fd(), level, name, from, size) }.map(drop).map_err(from_raw)
}

/// Sets an option whose value is an `int`.
pub(crate) fn set_integer(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    set_bytes(fd, level, name, &value.to_ne_bytes())
}

/// Bytes in a TCP socket's send queue that the peer has not acknowledged (`SIOCOUTQ`, tcp(7)).
pub(crate) fn outgoing_queue(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SIOCOUTQ has the number of TIOCOUTQ (linux/sockios.h).
    // SAFETY: SIOCOUTQ writes one int.
    let query = unsafe { rustix::ioctl::Getter::<{ libc::TIOCOUTQ as rustix::ioctl::Opcode }, libc::c_int>::new() };
    // SAFETY: the getter is for this operation code, see above.
    unsafe { rustix::ioctl::ioctl(fd, query) }
}
