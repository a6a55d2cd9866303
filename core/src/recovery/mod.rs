//! Recovery functions that libha brings along: a file opened again, a connection made again.

mod address;
mod fifo;
mod identity;
mod in_place;
mod reconnect;
mod reopen;
mod socket;

pub use reconnect::Reconnect;
pub use reopen::Reopen;

use std::io;

/// A request that can never work, whatever the server does.
fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.into())
}
