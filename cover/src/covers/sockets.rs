//! send, recv and their kin.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_uint, c_void};

use ha_core::Kind;
use ha_core::number::{Captured, Request, forget_stale};
use libc::{iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec};

use super::{quiet, transmit};
use crate::original::covers;
use crate::returned::call;
use crate::rules::watched;

covers! {
    /// recv(2).
    ["recv", "__recv"]
    fn recv(number: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t as covered
        => receive(covered, number, length, flags, |number| original::recv(number, buffer, length, flags));

    /// recv(2), with the size of the buffer.
    ["__recv_chk"]
    fn __recv_chk(number: c_int, buffer: *mut c_void, length: size_t, size: size_t, flags: c_int) -> ssize_t as covered
        => receive(covered, number, length, flags, |number| {
            original::__recv_chk(number, buffer, length, size, flags)
        });

    /// recvfrom(2).
    ["recvfrom"]
    fn recvfrom(
        number: c_int, buffer: *mut c_void, length: size_t, flags: c_int, from: *mut sockaddr, size: *mut socklen_t,
    ) -> ssize_t as covered
        => {
            let room = Kept::at(size);
            receive(covered, number, length, flags, |number| {
                room.restore();
                original::recvfrom(number, buffer, length, flags, from, size)
            })
        };

    /// recvfrom(2), with the size of the buffer.
    ["__recvfrom_chk"]
    fn __recvfrom_chk(
        number: c_int, buffer: *mut c_void, length: size_t, capacity: size_t, flags: c_int, from: *mut sockaddr,
        size: *mut socklen_t,
    ) -> ssize_t as covered
        => {
            let room = Kept::at(size);
            receive(covered, number, length, flags, |number| {
                room.restore();
                original::__recvfrom_chk(number, buffer, length, capacity, flags, from, size)
            })
        };

    /// recvmsg(2).
    ["recvmsg"]
    fn recvmsg(number: c_int, message: *mut msghdr, flags: c_int) -> ssize_t
        => {
            let covered = ha_core::number::capture(number);
            let received = if covered.is_covered() {
                let room = Kept::at(message);
                receive(covered, number, length(message), flags, |number| {
                    room.restore();
                    original::recvmsg(number, message, flags)
                })
            } else {
                original::recvmsg(number, message, flags)
            };
            if received >= 0 {
                take_in(message);
            }
            received
        };

    /// recvmmsg(2).
    ["recvmmsg"]
    fn recvmmsg(number: c_int, messages: *mut mmsghdr, many: c_uint, flags: c_int, timeout: *mut timespec) -> c_int
        => {
            let covered = ha_core::number::capture(number);
            let received = if covered.is_covered() {
                receive_many(covered, messages, many, |number| {
                    original::recvmmsg(number, messages, many, flags, timeout)
                })
            } else {
                original::recvmmsg(number, messages, many, flags, timeout)
            };
            for index in 0..usize::try_from(received).unwrap_or(0) {
                let message = messages.add(index);
                if covered.is_watched() && flags & (libc::MSG_PEEK | libc::MSG_ERRQUEUE) == 0 {
                    watched::received(number, (*message).msg_len as ssize_t);
                }
                take_in(&raw mut (*message).msg_hdr);
            }
            received
        };

    /// send(2).
    ["send", "__send"]
    fn send(number: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t as covered
        => {
            let part = iovec { iov_base: buffer.cast_mut(), iov_len: length };
            transmits(covered, number, &[part], flags, |number, flags| original::send(number, buffer, length, flags))
        };

    /// sendto(2).
    ["sendto"]
    fn sendto(
        number: c_int, buffer: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, size: socklen_t,
    ) -> ssize_t as covered
        => {
            let part = iovec { iov_base: buffer.cast_mut(), iov_len: length };
            transmits(covered, number, &[part], flags, |number, flags| {
                original::sendto(number, buffer, length, flags, to, size)
            })
        };

    /// sendmsg(2).
    ["sendmsg"]
    fn sendmsg(number: c_int, message: *const msghdr, flags: c_int) -> ssize_t as covered
        => transmits(covered, number, parts(message), flags, |number, flags| {
            original::sendmsg(number, message, flags)
        });

    /// sendmmsg(2).
    ["sendmmsg", "__sendmmsg"]
    fn sendmmsg(number: c_int, messages: *mut mmsghdr, many: c_uint, flags: c_int) -> c_int as covered
        => {
            quiet::before_write(covered, number);
            let sent = call(covered, Request::write_some(many as usize).cancellable(), |number| {
                original::sendmmsg(number, messages, many, flags | libc::MSG_NOSIGNAL)
            });
            for index in 0..usize::try_from(sent).unwrap_or(0) {
                let message = messages.add(index);
                quiet::wrote(covered, number, parts(&raw const (*message).msg_hdr), (*message).msg_len as ssize_t);
            }
            quiet::raise_if_broken(covered.kind(), flags & libc::MSG_NOSIGNAL != 0, sent as ssize_t) as c_int
        };
}

/// A receiving call. MSG_WAITALL asks for all of it; what MSG_ERRQUEUE asks for says nothing of the connection.
fn receive(
    covered: Captured,
    number: c_int,
    length: usize,
    flags: c_int,
    issue: impl FnMut(c_int) -> ssize_t,
) -> ssize_t {
    let request = if flags & libc::MSG_ERRQUEUE != 0 {
        Request::PASSIVE
    } else if flags & libc::MSG_WAITALL != 0 && flags & libc::MSG_DONTWAIT == 0 {
        Request::read_whole(length)
    } else {
        Request::read(length)
    };
    let received = call(covered, request.cancellable(), issue);
    if covered.is_watched() && length > 0 && flags & (libc::MSG_PEEK | libc::MSG_ERRQUEUE) == 0 {
        watched::received(number, received);
    }
    received
}

/// recvmmsg on a covered number. The end of a stream is one message without bytes.
///
/// # Safety
///
/// As for recvmmsg(2).
unsafe fn receive_many(
    covered: Captured,
    messages: *mut mmsghdr,
    many: c_uint,
    mut issue: impl FnMut(c_int) -> c_int,
) -> c_int {
    let first = if many == 0 { std::ptr::null_mut() } else { messages };
    // SAFETY: the caller's: no message, or a first one.
    let room = unsafe { Kept::at(first) };
    // SAFETY: as above.
    let wants_bytes = unsafe { first.as_ref() }.is_some_and(|first| unsafe { length(&first.msg_hdr) } > 0);
    let mut is_at_end = false;
    let received = call(covered, Request::read(many as usize).cancellable(), |number| {
        // SAFETY: as above.
        unsafe { room.restore() };
        let received = issue(number);
        let may_end = received > 0 && wants_bytes && covered.kind() == Kind::Stream;
        // SAFETY: the kernel has filled in the first.
        is_at_end = may_end && unsafe { (*first).msg_len } == 0;
        if is_at_end { 0 } else { received }
    });
    if received == 0 && is_at_end { 1 } else { received }
}

/// A sending call, without SIGPIPE unless it is certain that the program must see the broken pipe.
fn transmits(
    covered: Captured,
    number: c_int,
    parts: &[iovec],
    flags: c_int,
    mut issue: impl FnMut(c_int, c_int) -> ssize_t,
) -> ssize_t {
    let length = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.iov_len));
    quiet::before_write(covered, number);
    let request = Request::write(length).cancellable();
    let sent = call(covered, request, |number| issue(number, flags | libc::MSG_NOSIGNAL));
    quiet::wrote(covered, number, parts, sent);
    quiet::raise_if_broken(covered.kind(), flags & libc::MSG_NOSIGNAL != 0, sent)
}

/// A value that the kernel reads and writes, as it was before the call: a call that is issued again needs it so.
pub(super) struct Kept<T: Copy> {
    place: *mut T,
    value: Option<T>,
}

impl<T: Copy> Kept<T> {
    /// # Safety
    ///
    /// `place` is null, or can be read and written until the call has returned.
    pub(super) unsafe fn at(place: *mut T) -> Self {
        // SAFETY: the caller's.
        let value = if place.is_null() { None } else { Some(unsafe { place.read() }) };
        Self { place, value }
    }

    /// # Safety
    ///
    /// As for [`at`](Self::at).
    pub(super) unsafe fn restore(&self) {
        if let Some(value) = self.value {
            // SAFETY: the caller's.
            unsafe { self.place.write(value) };
        }
    }
}

/// # Safety
///
/// As for sendmsg(2): `message` is null or a header with its parts.
unsafe fn parts<'message>(message: *const msghdr) -> &'message [iovec] {
    // SAFETY: the caller's.
    let Some(header) = (unsafe { message.as_ref() }) else { return &[] };
    let many = c_int::try_from(header.msg_iovlen).unwrap_or(-1);
    // SAFETY: the caller's.
    unsafe { transmit::slice(header.msg_iov, many) }
}

/// # Safety
///
/// As for recvmsg(2).
unsafe fn length(message: *const msghdr) -> usize {
    // SAFETY: the caller's.
    unsafe { parts(message) }.iter().fold(0, |sum: usize, part| sum.saturating_add(part.iov_len))
}

/// Descriptors that came in a message have numbers that somebody else may have had.
///
/// # Safety
///
/// `message` is null or a header that recvmsg(2) has filled in.
unsafe fn take_in(message: *const msghdr) {
    // SAFETY: the caller's.
    let Some(header) = (unsafe { message.as_ref() }) else { return };
    if header.msg_control.is_null() || header.msg_controllen == 0 {
        return;
    }
    // SAFETY: the header is as the kernel has filled it in; the CMSG functions stay inside of its control part.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: not null, so it is a whole header inside of the control part.
        let part = unsafe { &*control };
        if part.cmsg_level == libc::SOL_SOCKET && part.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: as above.
            let data = unsafe { libc::CMSG_DATA(control) };
            // SAFETY: computes from a constant.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let many = (part.cmsg_len as usize).saturating_sub(before) / size_of::<c_int>();
            for index in 0..many {
                // SAFETY: the header's length says that the number is there; it may be anywhere in memory.
                let number = unsafe { data.cast::<c_int>().add(index).read_unaligned() };
                forget_stale(number);
            }
        }
        // SAFETY: as for the first one.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
}
