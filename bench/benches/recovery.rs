//! What does a recovery cost, beside what one would write by hand?
//!
//! Each round a server dies and a write meets it. By hand: see the error, make a new connection, put it under the old
//! number, write again. Covered: the same, found out and done by libha. Both get their new connection from a socket
//! pair, which is as good as nothing, so that what is left is the cost of the way.
#![allow(missing_docs)]

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ha_core::{Covered, cover};
use rustix::net::{SendFlags, send};

/// The server's end of the connection of the moment.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Option<UnixStream>>>);

impl Server {
    fn connect(&self) -> io::Result<UnixStream> {
        let (client, server) = UnixStream::pair()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(client)
    }

    fn die(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn write_by_hand(server: &Server, descriptor: &mut OwnedFd) -> io::Result<usize> {
    match send(&*descriptor, b"x", SendFlags::NOSIGNAL) {
        Err(rustix::io::Errno::PIPE) => {
            let new = server.connect()?;
            rustix::io::dup3(&new, descriptor, rustix::io::DupFlags::CLOEXEC)?;
            Ok(send(&*descriptor, b"x", SendFlags::NOSIGNAL)?)
        }
        result => Ok(result?),
    }
}

fn covered_connection(server: &Server) -> io::Result<Covered> {
    let again = server.clone();
    let covered = cover(server.connect()?).recovered_with(move |_| Ok(again.connect()?.into()));
    Ok(covered.spreading(Duration::ZERO).unwatched().attach()?)
}

fn recovery(criterion: &mut Criterion) {
    let server = Server::default();
    let Ok(plain) = server.connect() else { return };
    let mut plain = OwnedFd::from(plain);
    let mut group = criterion.benchmark_group("a write that meets a dead server");
    group.bench_function("by hand", |timer| {
        timer.iter(|| {
            server.die();
            assert_eq!(write_by_hand(&server, &mut plain).ok(), Some(1));
        });
    });
    let Ok(covered) = covered_connection(&server) else { return };
    group.bench_function("covered", |timer| {
        timer.iter(|| {
            server.die();
            assert_eq!((&covered).write(b"x").ok(), Some(1));
        });
    });
    assert!(covered.report().recoveries > 0);
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = settings(); targets = recovery }
criterion_main!(benches);
