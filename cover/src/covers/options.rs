//! What asks and changes sockets and terminals.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_void};
use std::net::Shutdown;

use ha_core::number::{Request, capture, fresh, member};
use libc::{sockaddr, socklen_t, termios};

use super::sockets::Kept;
use crate::original::covers;
use crate::returned::call;
use crate::rules;

covers! {
    /// connect(2).
    ["connect", "__connect"]
    fn connect(number: c_int, address: *const sockaddr, size: socklen_t) -> c_int
        => {
            let covered = capture(number);
            let connected = if covered.is_covered() {
                let request = Request::PASSIVE.cancellable().interruptible();
                call(covered, request, |number| original::connect(number, address, size))
            } else {
                original::connect(number, address, size)
            };
            match member(number) {
                Some(member) if connected == 0 => member.note_connected(),
                Some(_) => {}
                None => rules::connected(number, connected, address, size),
            }
            connected
        };

    /// bind(2).
    ["bind"]
    fn bind(number: c_int, address: *const sockaddr, size: socklen_t) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::bind(number, address, size));

    /// listen(2).
    ["listen"]
    fn listen(number: c_int, backlog: c_int) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::listen(number, backlog));

    /// accept(2).
    ["accept"]
    fn accept(number: c_int, address: *mut sockaddr, size: *mut socklen_t) -> c_int
        => {
            let covered = capture(number);
            fresh(if covered.is_covered() {
                let room = Kept::at(size);
                call(covered, Request::CONTROL.cancellable().interruptible(), |number| {
                    room.restore();
                    original::accept(number, address, size)
                })
            } else {
                original::accept(number, address, size)
            })
        };

    /// accept4(2).
    ["accept4"]
    fn accept4(number: c_int, address: *mut sockaddr, size: *mut socklen_t, flags: c_int) -> c_int
        => {
            let covered = capture(number);
            fresh(if covered.is_covered() {
                let room = Kept::at(size);
                call(covered, Request::CONTROL.cancellable().interruptible(), |number| {
                    room.restore();
                    original::accept4(number, address, size, flags)
                })
            } else {
                original::accept4(number, address, size, flags)
            })
        };

    /// shutdown(2): what follows from it is no death.
    ["shutdown"]
    fn shutdown(number: c_int, how: c_int) -> c_int as covered
        => {
            let direction = match how {
                libc::SHUT_RD => Some(Shutdown::Read),
                libc::SHUT_WR => Some(Shutdown::Write),
                libc::SHUT_RDWR => Some(Shutdown::Both),
                _ => None,
            };
            // Before the call: its effect may be seen by another thread before it has returned.
            if let (Some(member), Some(direction)) = (member(number), direction) {
                member.note_shutdown(direction);
            }
            call(covered, Request::PASSIVE, |number| original::shutdown(number, how))
        };

    /// getsockopt(2).
    ["getsockopt"]
    fn getsockopt(number: c_int, level: c_int, name: c_int, value: *mut c_void, size: *mut socklen_t) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::getsockopt(number, level, name, value, size));

    /// setsockopt(2).
    ["setsockopt"]
    fn setsockopt(number: c_int, level: c_int, name: c_int, value: *const c_void, size: socklen_t) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::setsockopt(number, level, name, value, size));

    /// getsockname(2).
    ["getsockname"]
    fn getsockname(number: c_int, address: *mut sockaddr, size: *mut socklen_t) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::getsockname(number, address, size));

    /// getpeername(2).
    ["getpeername"]
    fn getpeername(number: c_int, address: *mut sockaddr, size: *mut socklen_t) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::getpeername(number, address, size));

    /// sockatmark(3).
    ["sockatmark"]
    fn sockatmark(number: c_int) -> c_int as covered
        => call(covered, Request::PASSIVE, |number| original::sockatmark(number));

    /// isfdtype(3).
    ["isfdtype"]
    fn isfdtype(number: c_int, kind: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::isfdtype(number, kind));

    /// tcgetattr(3).
    ["tcgetattr"]
    fn tcgetattr(number: c_int, attributes: *mut termios) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::tcgetattr(number, attributes));

    /// tcsetattr(3).
    ["tcsetattr"]
    fn tcsetattr(number: c_int, when: c_int, attributes: *const termios) -> c_int as covered
        => call(covered, Request::CONTROL.interruptible(), |number| {
            original::tcsetattr(number, when, attributes)
        });

    /// tcdrain(3).
    ["tcdrain"]
    fn tcdrain(number: c_int) -> c_int as covered
        => call(covered, Request::CONTROL.cancellable().interruptible(), |number| original::tcdrain(number));

    /// tcflush(3).
    ["tcflush"]
    fn tcflush(number: c_int, queue: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::tcflush(number, queue));

    /// tcflow(3).
    ["tcflow"]
    fn tcflow(number: c_int, action: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::tcflow(number, action));

    /// tcsendbreak(3).
    ["tcsendbreak"]
    fn tcsendbreak(number: c_int, duration: c_int) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::tcsendbreak(number, duration));
}
