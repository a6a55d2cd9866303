//! Clients of a stream server: numbered requests and answers over TCP and Unix sockets.
//!
//! A stream has no request boundary. Whoever recovers the connection sends every outstanding request again before
//! anybody else may use the new one, so that each answer comes even though its request died with a server. The request
//! that is inside `send` is libha's to send again; `window` tells which is which.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_core::Outcome;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::MsgFlags;

use super::accounts::{settle, swallowed, take};
use super::beat::{Beat, Step};
use super::client::{Endpoint, Number, Revival, cover};
use super::course::CourseError;
use super::lines::{Line, Lines};
use super::options::{Options, Transport};
use super::scene::Scene;
use super::strangers;
use super::window::{Round, Then, Window, Wire};
use crate::record::{self, Kind, Record, mix};

/// How many requests of a connection may be outstanding.
const WINDOW: usize = 32;

/// The payload of every answer. One size, so that one call receives one answer.
pub(crate) const ANSWER_PAYLOAD: u32 = 160;

/// One request in this many is large: longer than any socket buffer, so that a kill can tear the call that sends it.
const LARGE_EVERY: u64 = 200;

/// The payload of a large request.
const LARGE: u32 = 256 << 10;

/// How long a server that has accepted may take to greet.
const GREETING: Duration = Duration::from_secs(1);

/// Opens all connections.
pub(crate) fn open(scene: &Arc<Scene>, options: &Options, at: &str, lines: &mut Lines) -> Result<(), CourseError> {
    for index in 0..options.threads {
        lines.add(connect(scene, options, at, index)?);
    }
    Ok(())
}

/// An address on loopback that nobody listens on.
///
/// It lies outside the range from which the kernel takes the ports of outgoing connections. Within that range a client
/// that looks for a dead server could be given the server's own port, and connect to itself.
pub(crate) fn free_address(seed: u64) -> io::Result<String> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().filter_map(|bound| bound.parse::<u16>().ok());
    let (low, high) = (bounds.next().unwrap_or(32768), bounds.next().unwrap_or(60999));
    // Mixed, so that drills with similar seeds that run side by side do not look in the same places.
    let mut random = fastrand::Rng::with_seed(seed ^ mix(u64::from(std::process::id())));
    for _ in 0..1000 {
        let port = random.u16(10_000..65_000);
        if !(low..=high).contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(format!("127.0.0.1:{port}"));
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port outside the range of outgoing connections"))
}

/// A request's payload is a function of its kind and number, so that sending it again needs no copy.
fn request(kind: Kind, connection: u32, number: u64) -> Vec<u8> {
    let draw = mix(number ^ mix(u64::from(connection)));
    let payload = if draw.is_multiple_of(LARGE_EVERY) { LARGE } else { (draw >> 32) as u32 % 200 };
    Record { kind, connection, number, payload }.encode()
}

fn connect(scene: &Arc<Scene>, options: &Options, at: &str, index: u32) -> Result<Line, CourseError> {
    let name = format!("{} connection {index}", scene.transport);
    let endpoint = match scene.transport {
        Transport::Tcp => Endpoint::Tcp(at.to_owned()),
        _ => Endpoint::Unix(PathBuf::from(at)),
    };
    let descriptor = endpoint.open()?;
    let first_server = await_greeting(descriptor.as_fd())?;
    let window = Arc::new(Window::new(WINDOW, Wire::Socket));
    let episodes = scene.episodes_of(name.clone());
    episodes.reached(first_server);
    let (again, witness) = (Arc::clone(&window), Arc::clone(&episodes));
    let prelude = Box::new(move |stream: BorrowedFd<'_>| {
        let server = await_greeting(stream)?;
        send_again(stream, index, &again)?;
        witness.reached(server);
        Ok(())
    });
    let revival = Revival { endpoint, prelude };
    let numbers = Arc::new(cover(options.client, descriptor, revival, &episodes, options.dups)?);

    let writer = {
        let (numbers, window) = (Arc::clone(&numbers), Arc::clone(&window));
        scene.spawn(format!("{name} writer"), move |scene, beat| write(scene, beat, &numbers, &window, index))?
    };
    let reader = {
        let (numbers, window) = (Arc::clone(&numbers), Arc::clone(&window));
        scene.spawn(format!("{name} reader"), move |scene, beat| read(scene, beat, &numbers, &window, index))?
    };
    let strangers = strangers::invite(scene, &name, &numbers)?;
    let settle = move |scene: &Scene| settle(scene, &name, &numbers, &window);
    Ok(Line { threads: vec![writer, reader, strangers], settle: Box::new(settle) })
}

/// Waits until the server introduces itself, and returns its incarnation.
///
/// The kernel closes the descriptors of a killed process in whatever order it likes, and until it has come to the
/// listening socket it goes on to accept connections in the dead server's name. Only a living one greets.
fn await_greeting(stream: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = vec![0; record::HEADER + ANSWER_PAYLOAD as usize];
    let mut rest = bytes.as_mut_slice();
    let began = Instant::now();
    while !rest.is_empty() {
        match nix::sys::socket::recv(stream.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => rest = &mut rest[count..],
            Err(Errno::EINTR) => {}
            // As any session prelude should, this one has its own limit: the next attempt may find a server that speaks.
            Err(Errno::EAGAIN) if began.elapsed() > GREETING => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::EAGAIN) => wait_for(stream, PollFlags::POLLIN)?,
            Err(error) => return Err(error.into()),
        }
    }
    match record::verify(&bytes) {
        Ok(hello) if hello.kind == Kind::Hello => Ok(hello.number),
        other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("instead of a greeting: {other:?}"))),
    }
}

/// Waits for a while; who needs more asks again.
fn wait_for(stream: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
    poll(&mut [PollFd::new(stream, what)], 100_u8)?;
    Ok(())
}

/// Sends everything outstanding again, on a connection that nobody else can use yet.
fn send_again(stream: BorrowedFd<'_>, connection: u32, window: &Window) -> io::Result<()> {
    // The window is unlocked again before anything is sent.
    for number in window.ask_again(Round::Recovery) {
        let bytes = request(Kind::Again, connection, number);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match nix::sys::socket::send(stream.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => wait_for(stream, PollFlags::POLLOUT)?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    window.recovered();
    Ok(())
}

fn write(scene: &Scene, beat: &Beat, numbers: &[Box<dyn Number>], window: &Window, connection: u32) {
    for covered in numbers.iter().map(AsRef::as_ref).cycle() {
        let asked = beat.during(Step::Room, || window.ask(|| scene.is_stopping()));
        let number = asked.unwrap_or_else(|| window.ask_last());
        let sent = send(beat, covered, &request(Kind::Request, connection, number)).and_then(|outcome| {
            match window.returned(outcome) {
                Then::Nothing => Ok(Outcome::Intact),
                Then::Check => {
                    send(beat, covered, &Record { kind: Kind::Check, connection, number, payload: 0 }.encode())
                }
                Then::Again => send(beat, covered, &request(Kind::Again, connection, number)),
                Then::Complain => Err(swallowed(number)),
            }
        });
        if let Err(fault) = sent {
            return scene.fault(format!("{} connection {connection}: {fault}", scene.transport));
        }
        if asked.is_none() {
            return;
        }
    }
}

/// One covered call, and what libha says has become of it.
fn send(beat: &Beat, covered: &dyn Number, bytes: &[u8]) -> Result<Outcome, String> {
    match beat.call(Step::Send, covered.as_raw_fd(), || covered.send(bytes)) {
        Ok(count) if count == bytes.len() => Ok(covered.take_outcome()),
        Ok(count) => Err(format!("send returned {count} of {} bytes", bytes.len())),
        Err(error) => Err(format!("send failed in spite of its cover: {error}")),
    }
}

fn read(scene: &Scene, beat: &Beat, numbers: &[Box<dyn Number>], window: &Window, connection: u32) {
    let mut bytes = vec![0; record::HEADER + ANSWER_PAYLOAD as usize];
    // Not in step with the writer, so that both often use different numbers at the same time.
    for covered in numbers.iter().cycle().skip(1) {
        match beat.call(Step::Receive, covered.as_raw_fd(), || covered.receive(&mut bytes)) {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => return scene.fault(format!("recv returned {count} of {} bytes of an answer", bytes.len())),
            Err(error) => return scene.fault(format!("recv failed in spite of its cover: {error}")),
        }
        match take(scene, &bytes, window, connection) {
            Some(last) if last => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_cannot_be_taken_by_an_outgoing_connection() {
        let address: std::net::SocketAddr = free_address(1).unwrap().parse().unwrap();
        assert!(TcpListener::bind(address).is_ok());
    }

    #[test]
    fn a_request_sent_again_is_the_same_request() {
        let (first, again) = (request(Kind::Request, 3, 17), request(Kind::Again, 3, 17));
        assert_eq!(first.len(), again.len());
        assert!(record::verify(&first).is_ok() && record::verify(&again).is_ok());
    }

    #[test]
    fn some_requests_are_large() {
        let large = (0..2000).filter(|number| request(Kind::Request, 0, *number).len() > LARGE as usize).count();
        assert!((1..60).contains(&large), "{large} of 2000");
    }
}
