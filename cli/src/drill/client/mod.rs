//! The client side of a drill: what its threads need of a connection, whichever interface of libha they use.
//!
//! | file | what it knows |
//! |---|---|
//! | `covered` | the Rust API |
//! | `plain` | libc's own functions, with libha.so in front of them |
//! | `recovery_function` | what it attaches |
//! | `stdio` | its streams |
//! | `library` | how libha.so gets there, and the functions that it adds |

mod covered;
pub(super) mod library;
mod plain;
mod recovery_function;
mod stdio;

use std::ffi::CStr;
use std::io::{self, SeekFrom};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use ha_core::Outcome;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::course::CourseError;
use super::episodes::Episodes;
use super::options::Client;

/// One number of a covered connection. Dropping it closes it.
pub(super) trait Number: AsRawFd + Send + Sync {
    /// Sends bytes, as send(2) does.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Waits for as many bytes as asked for, all through one connection: recv(2) with MSG_WAITALL.
    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize>;

    /// Reads what there is, as read(2) does.
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize>;

    /// Reads at an offset, as pread(2) does.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes bytes, as write(2) does.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Moves the offset, as lseek(2) does.
    fn seek(&self, position: SeekFrom) -> io::Result<u64>;

    /// Another number for the same connection.
    fn duplicate(&self) -> io::Result<Box<dyn Number>>;

    /// What has become of this thread's calls on the connection since it asked last.
    fn take_outcome(&self) -> Outcome;

    /// What libha's own account of the connection contradicts itself in.
    fn contradiction(&self) -> Option<String> {
        None
    }
}

/// The numbers of one connection.
pub(super) type Numbers = Vec<Box<dyn Number>>;

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// A TCP server.
    Tcp(String),
    /// A Unix stream server.
    Unix(PathBuf),
    /// A file or FIFO, and how it is opened.
    Path(PathBuf, OFlag),
}

/// How a connection is made anew after its server has died.
pub(super) struct Revival {
    /// Where it leads.
    pub(super) endpoint: Endpoint,
    /// What has to happen on the new connection before anybody else may use it.
    ///
    /// It is called on the thread whose call has failed. Its calls on the descriptor are libc's: the number may be a
    /// covered one, which only covers know to stand for the new connection already.
    pub(super) prelude: Prelude,
}

/// See [`Revival::prelude`].
pub(super) type Prelude = Box<dyn Fn(BorrowedFd<'_>) -> io::Result<()> + Send + Sync>;

impl Endpoint {
    /// Makes a connection. Opening a FIFO waits for the other end.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
            Self::Unix(path) => Ok(UnixStream::connect(path)?.into()),
            Self::Path(path, flags) => Ok(nix::fcntl::open(path, *flags | OFlag::O_CLOEXEC, Mode::empty())?),
        }
    }

    /// How `fdopen` makes a stream of it.
    fn mode(&self) -> &'static CStr {
        match self {
            Self::Path(_, flags) if flags.contains(OFlag::O_APPEND) => c"a",
            Self::Path(_, flags) if flags.contains(OFlag::O_WRONLY) => c"w",
            Self::Path(..) => c"r",
            Self::Tcp(_) | Self::Unix(_) => c"r+",
        }
    }
}

/// Covers a connection, and makes so many numbers for it.
pub(super) fn cover(
    client: Client,
    descriptor: OwnedFd,
    revival: Revival,
    episodes: &Arc<Episodes>,
    count: u32,
) -> Result<Numbers, CourseError> {
    let first = match client {
        Client::Rust => covered::cover(descriptor, revival, Arc::clone(episodes))?,
        Client::Libc => plain::cover(descriptor, revival, Arc::clone(episodes))?,
    };
    let mut numbers = vec![first];
    for _ in 1..count {
        numbers.push(numbers[0].duplicate()?);
    }
    Ok(numbers)
}
