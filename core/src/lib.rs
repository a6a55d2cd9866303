//! File descriptors that outlive the server behind them.
//!
//! A client attaches a *recovery function* to a descriptor. When a call on it fails because the connection is gone, the
//! function runs once, the new connection is put under the old number (and under every dup of it), and the call is
//! issued again. The program sees a slow call instead of an error. Every other descriptor, and every call that
//! succeeds, does not notice that this crate is there.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server that dies after its first answer and comes back.
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = std::thread::spawn(move || {
//!     for answer in ["one", "two"] {
//!         let (mut client, _) = listener.accept().unwrap();
//!         client.write_all(answer.as_bytes()).unwrap();
//!     }
//! });
//!
//! let stream = ha_core::cover(TcpStream::connect(address)?)
//!     .recovered_by(ha_core::Reconnect::to([address.to_string()]))
//!     .within(Duration::from_secs(10))
//!     .attach()?;
//!
//! let mut answer = [0; 3];
//! (&stream).read_exact(&mut answer)?;
//! assert_eq!(&answer, b"one");
//! (&stream).read_exact(&mut answer)?; // the server is gone: reconnects, then reads
//! assert_eq!(&answer, b"two");
//! assert_eq!(stream.report().recoveries, 1);
//! # server.join().unwrap();
//! # Ok(()) }
//! ```
//!
//! # What is where
//!
//! * [`cover`] begins the sentence that makes a descriptor a [`Covered`] one.
//! * [`Reopen`] and [`Reconnect`] are recovery functions ready to use; [`Recover`] is what you implement for your own,
//!   and a closure will often do ([`Builder::recovered_with`]).
//! * [`Covered::report`] and [`Covered::take_outcome`] tell what has happened, [`Builder::on_verdict`] as it happens;
//!   events go to `tracing` under the target `ha`: failed, recovering, recovered, given up.
//! * [`number`] is for covers of other code's calls, which know a descriptor by its number only.
//!
//! # Limits
//!
//! * Calls must pass through [`Covered`]; a call made on its raw descriptor returns its error.
//! * Bytes that the kernel has accepted are not sent again by this crate: what had no answer is sent again by the
//!   recovery function, which knows the protocol, before anybody else can use the new connection.
//! * A thread that sleeps uninterruptibly in a dead FUSE or NFS file system cannot be moved.

mod connection;
mod covered;
mod error;
mod kernel;
pub mod number;
mod recover;
mod recovery;
mod sync;
mod table;

#[cfg(test)]
mod testing;

pub use connection::function::{Attempt, Failure, Recover, Recovered, RecoveryError};
pub use connection::{Episode, Report, Verdict};
pub use covered::{Builder, Covered, connections_to, cover};
pub use error::AttachError;
pub use recover::Outcome;
pub use recovery::{Reconnect, Reopen};
pub use table::{Kind, Target};

/// The version of rustix whose types ([`rustix::io::Errno`], [`rustix::net::SendFlags`], ...) this crate's API uses.
pub use rustix;
