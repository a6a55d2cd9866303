//! What is written to and read from: pairs of descriptors whose one end is held by a contender.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{EventfdFlags, eventfd};

/// A device, open for both.
///
/// # Errors
///
/// Those of open(2).
pub fn device(path: &str) -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open(path)?.into())
}

/// What a contender writes to and what it reads from, of which bytes written to the one arrive at the other.
#[derive(Debug)]
pub struct Circle {
    /// What it is called.
    pub name: &'static str,
    /// Bytes that go round at a time.
    pub size: usize,
    /// The contender's, to write to.
    pub into: OwnedFd,
    /// The contender's, to read from.
    pub out_of: OwnedFd,
    /// The other side, which echoes; none where the bytes come back by themselves.
    pub echo: Option<OwnedFd>,
}

/// An eventfd, a pipe, a Unix and a TCP connection.
///
/// # Errors
///
/// Those of making them.
pub fn circles() -> io::Result<[Circle; 4]> {
    let counter = eventfd(0, EventfdFlags::CLOEXEC)?;
    let (reader, writer) = io::pipe()?;
    let (near, far) = UnixStream::pair()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok([
        Circle { name: "eventfd", size: 8, into: counter.try_clone()?, out_of: counter, echo: None },
        Circle { name: "pipe", size: 64, into: writer.into(), out_of: reader.into(), echo: None },
        Circle {
            name: "Unix echo",
            size: 64,
            into: near.try_clone()?.into(),
            out_of: near.into(),
            echo: Some(far.into()),
        },
        Circle {
            name: "TCP echo",
            size: 64,
            into: client.try_clone()?.into(),
            out_of: client.into(),
            echo: Some(server.into()),
        },
    ])
}

/// Moves what has arrived at the other side back, with plain system calls.
#[inline]
pub fn echo(descriptor: Option<&OwnedFd>, room: &mut [u8]) {
    if let Some(descriptor) = descriptor {
        let moved = rustix::io::read(descriptor, &mut *room).unwrap_or(0);
        let _ = rustix::io::write(descriptor, &room[..moved]);
    }
}
