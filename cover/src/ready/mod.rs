//! Waiting for readiness without being fooled by a dead server.
//!
//! `limit` knows the time that is left, `probe` asks one number whether its connection is dead, and the rest is how poll, select and
//! epoll name the numbers that are ready.
#![allow(unsafe_code)]

mod epoll;
mod limit;
mod poll;
mod probe;
mod select;

use std::ffi::c_int;

pub(crate) use epoll::epolled;
pub(crate) use limit::{Left, Limit};
pub(crate) use poll::polled;
pub(crate) use probe::probe;
pub(crate) use select::Sets;

/// What a look at the numbers that were reported has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What was reported is so.
    AsReported,
    /// A connection was dead and is back: what was reported is of the past.
    Outdated,
}

/// Waits with `issue`, and again with what is left of the time as long as `look` finds the answer outdated.
pub(crate) fn wait(limit: Limit, mut issue: impl FnMut(Left) -> c_int, mut look: impl FnMut(c_int) -> Look) -> c_int {
    loop {
        let ready = issue(limit.left());
        if ready <= 0 || look(ready) == Look::AsReported {
            return ready;
        }
    }
}
