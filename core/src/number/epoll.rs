//! What an epoll instance watches.

use std::os::fd::RawFd;

use super::capture;
use crate::kernel::epoll;

/// A covered number that an epoll instance watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The number.
    pub number: RawFd,
    /// The mask as the kernel has it at this moment; one for a single event (`EPOLLONESHOT`) that has had it waits for nothing.
    pub events: u32,
    /// What the program has given with it.
    pub data: u64,
}

/// The registrations of all covered numbers in this epoll instance; none if it cannot be asked.
#[must_use]
pub fn registrations(epoll: RawFd) -> Vec<Registration> {
    epoll::all_in(epoll)
        .into_iter()
        .filter(|found| capture(found.number).is_covered())
        .map(|found| Registration { number: found.number, events: found.events, data: found.data })
        .collect()
}
