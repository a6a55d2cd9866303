//! poll, select, epoll: a dead server shows here first, before any read.
//!
//! When a covered number is reported, it is asked whether its connection is dead. If so it is recovered, and the wait goes
//! on with the time that is left. A connection that cannot be recovered is reported as it was.
#![allow(clippy::missing_safety_doc)]

use std::ffi::c_int;

use ha_core::number::{Request, capture, is_anything_covered, repair};
use libc::{epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval};

use crate::original::covers;
use crate::ready::{Limit, Sets, epolled, polled, wait};
use crate::returned::call;

covers! {
    /// poll(2).
    ["poll", "__poll"]
    fn poll(numbers: *mut pollfd, many: nfds_t, timeout: c_int) -> c_int
        => if is_anything_covered() {
            let limit = Limit::milliseconds(timeout);
            polled(limit, numbers, many, |numbers, left| original::poll(numbers, many, left.milliseconds()))
        } else {
            original::poll(numbers, many, timeout)
        };

    /// poll(2), with the size of the array: libc's own aborts the program if it is too small.
    ["__poll_chk"]
    fn __poll_chk(numbers: *mut pollfd, many: nfds_t, timeout: c_int, size: size_t) -> c_int
        => if is_anything_covered() {
            let limit = Limit::milliseconds(timeout);
            polled(limit, numbers, many, |numbers, left| {
                original::__poll_chk(numbers, many, left.milliseconds(), size)
            })
        } else {
            original::__poll_chk(numbers, many, timeout, size)
        };

    /// ppoll(2).
    ["ppoll"]
    fn ppoll(numbers: *mut pollfd, many: nfds_t, timeout: *const timespec, mask: *const sigset_t) -> c_int
        => if is_anything_covered() {
            let limit = Limit::timespec(timeout);
            polled(limit, numbers, many, |numbers, left| {
                left.with_timespec(|timeout| original::ppoll(numbers, many, timeout, mask))
            })
        } else {
            original::ppoll(numbers, many, timeout, mask)
        };

    /// ppoll(2), with the size of the array.
    ["__ppoll_chk"]
    fn __ppoll_chk(
        numbers: *mut pollfd, many: nfds_t, timeout: *const timespec, mask: *const sigset_t, size: size_t,
    ) -> c_int
        => if is_anything_covered() {
            let limit = Limit::timespec(timeout);
            polled(limit, numbers, many, |numbers, left| {
                left.with_timespec(|timeout| original::__ppoll_chk(numbers, many, timeout, mask, size))
            })
        } else {
            original::__ppoll_chk(numbers, many, timeout, mask, size)
        };

    /// select(2): on Linux it leaves the time that is left in `timeout`.
    ["select", "__select"]
    fn select(
        many: c_int, readable: *mut fd_set, writable: *mut fd_set, exceptional: *mut fd_set, timeout: *mut timeval,
    ) -> c_int
        => if repair::is_any_under_way_here() {
            let limit = Limit::timeval(timeout);
            Sets::of(many, [readable, writable, exceptional]).selected_by_holder(|numbers, many| {
                limit.left().with_timespec(|timeout| original::ppoll(numbers, many, timeout, std::ptr::null()))
            })
        } else if is_anything_covered() {
            let wanted = Sets::of(many, [readable, writable, exceptional]);
            let limit = Limit::timeval(timeout);
            wait(limit, |left| {
                wanted.restore();
                if let Some(timeout) = timeout.as_mut() {
                    *timeout = left.timeval();
                }
                original::select(many, readable, writable, exceptional, timeout)
            }, |_| wanted.look_at_ready())
        } else {
            original::select(many, readable, writable, exceptional, timeout)
        };

    /// pselect(2).
    ["pselect"]
    fn pselect(
        many: c_int, readable: *mut fd_set, writable: *mut fd_set, exceptional: *mut fd_set, timeout: *const timespec,
        mask: *const sigset_t,
    ) -> c_int
        => if repair::is_any_under_way_here() {
            Sets::of(many, [readable, writable, exceptional])
                .selected_by_holder(|numbers, many| original::ppoll(numbers, many, timeout, mask))
        } else if is_anything_covered() {
            let wanted = Sets::of(many, [readable, writable, exceptional]);
            let limit = Limit::timespec(timeout);
            wait(limit, |left| {
                wanted.restore();
                left.with_timespec(|timeout| {
                    original::pselect(many, readable, writable, exceptional, timeout, mask)
                })
            }, |_| wanted.look_at_ready())
        } else {
            original::pselect(many, readable, writable, exceptional, timeout, mask)
        };

    /// epoll_wait(2).
    ["epoll_wait"]
    fn epoll_wait(epoll: c_int, events: *mut epoll_event, room: c_int, timeout: c_int) -> c_int
        => if is_anything_covered() {
            epolled(Limit::milliseconds(timeout), epoll, events, |left| {
                original::epoll_wait(epoll, events, room, left.milliseconds())
            })
        } else {
            original::epoll_wait(epoll, events, room, timeout)
        };

    /// epoll_pwait(2).
    ["epoll_pwait"]
    fn epoll_pwait(epoll: c_int, events: *mut epoll_event, room: c_int, timeout: c_int, mask: *const sigset_t) -> c_int
        => if is_anything_covered() {
            epolled(Limit::milliseconds(timeout), epoll, events, |left| {
                original::epoll_pwait(epoll, events, room, left.milliseconds(), mask)
            })
        } else {
            original::epoll_pwait(epoll, events, room, timeout, mask)
        };

    /// epoll_pwait2(2).
    ["epoll_pwait2"]
    fn epoll_pwait2(
        epoll: c_int, events: *mut epoll_event, room: c_int, timeout: *const timespec, mask: *const sigset_t,
    ) -> c_int
        => if is_anything_covered() {
            epolled(Limit::timespec(timeout), epoll, events, |left| {
                left.with_timespec(|timeout| original::epoll_pwait2(epoll, events, room, timeout, mask))
            })
        } else {
            original::epoll_pwait2(epoll, events, room, timeout, mask)
        };

    /// epoll_ctl(2): a registration made during a transplant would be lost, so it waits for the verdict.
    ["epoll_ctl"]
    fn epoll_ctl(epoll: c_int, operation: c_int, number: c_int, event: *mut epoll_event) -> c_int
        => {
            let covered = capture(number);
            if !covered.is_covered() || repair::is_under_way_here(number) {
                return original::epoll_ctl(epoll, operation, number, event);
            }
            let request = Request::PASSIVE.by_number();
            call(covered, request, |number| original::epoll_ctl(epoll, operation, number, event))
        };
}
