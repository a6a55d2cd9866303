//! Bytes that libc's allocator has given away: for the slots of a chunk, and for a connection.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use ha_bench::library::Library;
use ha_bench::places::device;
use ha_bench::tables::raise_limit;

use crate::figures::{Figure, Unit};

/// Connections whose mean is taken.
const CONNECTIONS: usize = 200;
/// Slots in a chunk.
const CHUNK: f64 = 1024.0;
/// A number in a chunk that nobody has touched.
const FAR: i32 = 9_000;

pub(crate) fn figures(library: &Library) -> io::Result<Vec<Figure>> {
    raise_limit(10_000);
    let first = device("/dev/null")?;
    // What is made once, with the first connection, is not counted.
    let _warm = library.attach(first.try_clone()?)?;
    let mut all = Vec::with_capacity(CONNECTIONS);
    let descriptors = (0..CONNECTIONS).map(|_| first.try_clone()).collect::<io::Result<Vec<_>>>()?;
    let before = allocated();
    for descriptor in descriptors {
        all.push(library.attach(descriptor)?);
    }
    let connection = (allocated() - before) / CONNECTIONS as f64;

    let far = rustix::io::fcntl_dupfd_cloexec(&first, FAR)?;
    if far.as_raw_fd() < FAR {
        return Err(io::Error::other("a number beyond the first chunk cannot be had"));
    }
    let before = allocated();
    let _far = library.attach(far)?;
    let chunk = allocated() - before - connection;
    Ok(vec![
        Figure::new("memory: a connection", connection, Unit::Bytes),
        Figure::new("memory: a chunk", chunk, Unit::Bytes),
        Figure::new("memory: a slot", (chunk / CHUNK).round(), Unit::Bytes),
    ])
}

fn allocated() -> f64 {
    // SAFETY: it only counts.
    let now = unsafe { libc::mallinfo2() };
    (now.uordblks + now.hblkhd) as f64
}
