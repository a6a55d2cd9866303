//! What `ha run` asks for: descriptors to cover in a program that does not know of libha.
//!
//! `reopen` covers files by their path, `reconnect` client sockets by the server's address; `journal` keeps what was sent and
//! has no answer yet, and `watched` tells it.
#![allow(unsafe_code)]

mod journal;
mod reconnect;
mod reopen;
pub(crate) mod watched;

use std::ffi::c_int;
use std::sync::OnceLock;

use ha_core::number::errno;
use libc::{sockaddr, socklen_t};

use crate::start::Environment;
use reconnect::Reconnecting;
use reopen::Reopening;

static REOPENING: OnceLock<Reopening> = OnceLock::new();
static RECONNECTING: OnceLock<Reconnecting> = OnceLock::new();

/// Reads the rules from the environment.
pub(crate) fn start(environment: &Environment) {
    if let Some(rules) = Reopening::from(environment) {
        REOPENING.get_or_init(|| rules);
    }
    if let Some(rules) = Reconnecting::from(environment) {
        RECONNECTING.get_or_init(|| rules);
    }
}

/// The program has opened `number` with these flags. Returns it.
#[inline]
pub(crate) fn opened(number: c_int, flags: c_int) -> c_int {
    if let (Some(rules), 0..) = (REOPENING.get(), number) {
        undisturbed(|| rules.look_at(number, flags));
    }
    number
}

/// The program has asked to connect `number` to an address, with this result.
#[inline]
pub(crate) fn connected(number: c_int, result: c_int, address: *const sockaddr, size: socklen_t) {
    if let Some(rules) = RECONNECTING.get() {
        undisturbed(|| rules.look_at(number, result, address, size));
    }
}

/// The program is to find `errno` as its own call has left it.
#[cold]
fn undisturbed(look: impl FnOnce()) {
    let before = errno::get();
    look();
    errno::set(before);
}
