//! How poll names the numbers that are ready.

use std::ffi::{c_int, c_short};

use ha_core::number::repair;
use libc::{nfds_t, pollfd};

use super::probe::probe;
use super::{Left, Limit, Look, wait};

/// Events that may come of a death. A closed TCP connection says nothing but "readable".
const SUSPICIOUS: c_short = libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;

/// Waits for these numbers.
///
/// # Safety
///
/// As for poll(2).
pub(crate) unsafe fn polled(
    limit: Limit,
    numbers: *mut pollfd,
    many: nfds_t,
    mut issue: impl FnMut(*mut pollfd, Left) -> c_int,
) -> c_int {
    if repair::is_any_under_way_here() {
        // SAFETY: the caller's.
        return unsafe { polled_by_holder(limit, numbers, many, issue) };
    }
    wait(
        limit,
        |left| issue(numbers, left),
        |_| {
            // SAFETY: the kernel has just filled the array in.
            let polled = unsafe { array(numbers, many) };
            let suspects = polled.iter().filter(|polled| polled.revents & SUSPICIOUS != 0);
            let outdated = suspects.filter(|suspect| probe(suspect.fd) == Look::Outdated).count();
            if outdated > 0 { Look::Outdated } else { Look::AsReported }
        },
    )
}

/// A recovery function that waits for the number under repair waits for what it has staged.
///
/// # Safety
///
/// As for poll(2).
unsafe fn polled_by_holder(
    limit: Limit,
    numbers: *mut pollfd,
    many: nfds_t,
    mut issue: impl FnMut(*mut pollfd, Left) -> c_int,
) -> c_int {
    // SAFETY: the caller's.
    let asked = unsafe { array(numbers, many) };
    let mut standing: Vec<pollfd> =
        asked.iter().map(|asked| pollfd { fd: repair::standing_for(asked.fd), ..*asked }).collect();
    let ready = issue(standing.as_mut_ptr(), limit.left());
    for (asked, standing) in asked.iter_mut().zip(&standing) {
        asked.revents = standing.revents;
    }
    ready
}

/// # Safety
///
/// As for poll(2).
unsafe fn array<'numbers>(numbers: *mut pollfd, many: nfds_t) -> &'numbers mut [pollfd] {
    if numbers.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's.
    // The kernel looks at the low 32 bits of the count.
    unsafe { std::slice::from_raw_parts_mut(numbers, many as u32 as usize) }
}
