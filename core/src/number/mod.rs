//! Descriptors known by their number alone: what covers of other code's calls are made of.
//!
//! A program that owns its descriptors covers them with [`cover`](crate::cover()). This module is for code that stands in
//! front of somebody else's calls and has nothing but the number: libha's covers of the C library. It may change with any
//! version.
//!
//! * [`capture()`] is the success path: look at the number's word, make the call, done.
//! * [`attach`], [`replace`], [`detach`], [`Member`]: who is covered, and what is known of it.
//! * [`duplicate`], [`duplicate_onto`], [`fresh`]: numbers come and go, and the table stays true.
//! * [`repair`]: what a recovery function's own calls on the number do while it runs.
//!
//! Numbers are passed as they come; one that is not open gives the error that the kernel gives.

mod capture;
mod copies;
mod epoll;
mod members;
pub mod repair;

pub use crate::connection::{Operation, Policy, Watch};
pub use crate::kernel::errno;
pub use crate::kernel::signals::without_sigpipe;
#[cfg(all(not(test), feature = "steps"))]
pub use crate::recover::step::{Step, at_every_step};
pub use crate::recover::{InRegister, Request};
pub use crate::table::rarely;
pub use capture::{Captured, Glanced, capture, glance};
pub use copies::{duplicate, duplicate_onto, forget_stale, fresh};
pub use epoll::{Registration, registrations};
pub use members::{
    Control, Member, attach, attach_implied, control, covered_in, detach, is_anything_covered, member, replace,
    status_flags,
};

/// Runs `body` with cancellation of this thread kept for later (pthread_cancel).
pub fn uncancelled<R>(body: impl FnOnce() -> R) -> R {
    let _uncancellable = crate::kernel::Uncancellable::begin();
    body()
}

/// Runs `body` while nobody forks and no signal handler runs on this thread: what a lock taken in it protects is whole in every
/// child, and no handler waits for it. Short, and without code of the client.
pub fn unforked<R>(body: impl FnOnce() -> R) -> R {
    let _change = crate::connection::change();
    body()
}

#[cfg(test)]
mod tests;
