//! How epoll names the numbers that are ready: by data of the program's own, which only the kernel can translate.

use std::ffi::c_int;

use ha_core::number::{Registration, registrations};
use libc::epoll_event;

use super::probe::probe;
use super::{Left, Limit, Look};

/// Events that come of a death. A connection that was closed may say no more than "readable"; the read that follows
/// recovers it, and epoll's users do not block in reads.
const SUSPICIOUS: u32 = (libc::EPOLLHUP | libc::EPOLLERR | libc::EPOLLRDHUP).cast_unsigned();

/// What a registration waits for.
const WAITED_FOR: u32 = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLPRI | libc::EPOLLRDHUP).cast_unsigned();

/// Waits for events.
///
/// # Safety
///
/// As for epoll_wait(2).
pub(crate) unsafe fn epolled(
    limit: Limit,
    epoll: c_int,
    events: *mut epoll_event,
    mut issue: impl FnMut(Left) -> c_int,
) -> c_int {
    loop {
        let ready = issue(limit.left());
        let Ok(many @ 1..) = usize::try_from(ready) else { return ready };
        // SAFETY: the kernel has just filled in so many.
        let reported = unsafe { std::slice::from_raw_parts_mut(events, many) };
        if !reported.iter().any(is_suspicious) {
            return ready;
        }
        // Other events must not be lost: an edge comes once.
        match without_outdated(epoll, reported) {
            0 => {}
            left => return left as c_int,
        }
    }
}

fn is_suspicious(event: &epoll_event) -> bool {
    event.events & SUSPICIOUS != 0
}

/// Asks the covered numbers behind suspicious events, removes those events that are of the past, and returns how many are
/// left.
#[cold]
fn without_outdated(epoll: c_int, events: &mut [epoll_event]) -> usize {
    let registrations = registrations(epoll);
    let mut left = 0;
    for index in 0..events.len() {
        let Some(event) = events.get(index).copied() else { break };
        let outdated = if is_suspicious(&event) { find_outdated(event.u64, &registrations) } else { None };
        let kept = match outdated {
            None => Some(event),
            // A registration for one event has had it. The program has to hear of it, or it would never arm it again.
            Some(registration) if registration.events & WAITED_FOR == 0 => {
                Some(epoll_event { events: libc::EPOLLIN.cast_unsigned(), ..event })
            }
            Some(_) => None,
        };
        if let (Some(kept), Some(place)) = (kept, events.get_mut(left)) {
            *place = kept;
            left += 1;
        }
    }
    left
}

/// The registration with this data whose connection was dead and is back.
fn find_outdated(data: u64, registrations: &[Registration]) -> Option<&Registration> {
    registrations
        .iter()
        .filter(|registration| registration.data == data)
        .find(|registration| probe(registration.number) == Look::Outdated)
}
