//! A reconnect storm: the server of thousands of connections dies and comes back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::Builder;
use std::time::{Duration, Instant};

use ha_bench::tables::raise_limit;
use ha_core::{Covered, Reconnect, cover};
use rustix::process::{Resource, getrlimit};

use crate::figures::{Axis, Figure, Line, Plot, Section, Unit};
use crate::serve::BIN_MILLISECONDS;

/// Each connection has a thread of its own, which waits in its call while it recovers.
const STACK: usize = 64 * 1024;
/// How long the server is away.
const AWAY: Duration = Duration::from_millis(200);
/// After this, a connection that has not come back counts as lost.
const DEADLINE: Duration = Duration::from_secs(60);

/// How the connections come back.
struct Manner {
    name: &'static str,
    /// Until when the first attempt is put off, at random.
    spread: Duration,
}

const MANNERS: [Manner; 2] = [
    Manner { name: "without jitter", spread: Duration::ZERO },
    Manner { name: "with 3 s of jitter", spread: Duration::from_secs(3) },
];

pub(crate) fn section(connections: usize) -> io::Result<Section> {
    let mut figures = Vec::new();
    let mut lines = Vec::new();
    let mut number = connections;
    for manner in &MANNERS {
        let storm = rage(connections, manner)?;
        number = storm.connections;
        let name = manner.name;
        let bins_a_second = 1_000 / BIN_MILLISECONDS;
        let peak = storm.bins.iter().max().copied().unwrap_or(0) * bins_a_second;
        figures.push(Figure::new(format!("{name}: connects a second, at the peak"), peak as f64, Unit::Count));
        figures.push(Figure::new(format!("{name}: time to full service"), storm.full.as_secs_f64(), Unit::Seconds));
        figures.push(Figure::new(format!("{name}: connections lost"), storm.lost as f64, Unit::Count));
        let points = storm
            .bins
            .iter()
            .enumerate()
            .map(|(bin, count)| ((bin as u64 * BIN_MILLISECONDS) as f64 / 1e3, (count * bins_a_second) as f64));
        lines.push(Line { name: name.into(), points: points.collect() });
    }
    Ok(Section {
        title: format!("A storm of {number} connections"),
        about: format!(
            "The server is killed and is away for {AWAY:?}; each connection's thread makes a request then, and is counted as \
             served when the new server has answered it. No epoll instance watches."
        ),
        figures,
        plots: vec![Plot {
            file: "storm".into(),
            title: format!("{number} connections come back to a restarted server"),
            horizontal: Axis::of("seconds since the restart"),
            vertical: Axis::of("connects a second"),
            lines,
        }],
    })
}

struct Storm {
    connections: usize,
    bins: Vec<u64>,
    full: Duration,
    lost: usize,
}

/// Descriptors that a connection needs while it recovers: its own, one that holds on to what is dead, and a new one.
const DESCRIPTORS: usize = 3;
/// Descriptors for everything else.
const OTHERS: usize = 256;

fn rage(wanted: usize, manner: &Manner) -> io::Result<Storm> {
    raise_limit((wanted * DESCRIPTORS + OTHERS) as u64);
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let allowed = limit.map_or(wanted, |limit| limit.saturating_sub(OTHERS) / DESCRIPTORS);
    let wanted = wanted.min(allowed).max(1);
    let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = server.address;
    let clients = connect(address, wanted, manner.spread)?;
    let connections = clients.len();
    // Whether the server has been killed, once that is known. Not all threads can always be had.
    let killed = OnceLock::new();
    let (server, times) = std::thread::scope(|scope| -> io::Result<_> {
        let mut threads = Vec::with_capacity(connections);
        for client in &clients {
            let killed = &killed;
            let wait_and_ask = move || if *killed.wait() && ask(client) { Some(Instant::now()) } else { None };
            match Builder::new().stack_size(STACK).spawn_scoped(scope, wait_and_ask) {
                Ok(thread) => threads.push(thread),
                Err(why) => {
                    let _ = killed.set(false);
                    return Err(io::Error::new(why.kind(), format!("a thread for each connection: {why}")));
                }
            }
        }
        drop(server);
        let _ = killed.set(true);
        std::thread::sleep(AWAY);
        let server = Server::start(address)?;
        let restarted = Instant::now();
        let times: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().ok().flatten().map(|moment| moment.saturating_duration_since(restarted)))
            .collect();
        Ok((server, times))
    })?;
    Ok(Storm {
        connections,
        bins: server.end()?,
        full: times.iter().flatten().max().copied().unwrap_or_default(),
        lost: times.iter().filter(|time| time.is_none()).count(),
    })
}

fn connect(address: SocketAddr, wanted: usize, spread: Duration) -> io::Result<Vec<Covered>> {
    let mut clients = Vec::with_capacity(wanted);
    while clients.len() < wanted {
        let stream = TcpStream::connect(address)?;
        let again = Reconnect::to([address.to_string()])
            .then(|server, _| rustix::io::write(server, b"x").map(drop).map_err(Into::into));
        let client = cover(stream).recovered_by(again).spreading(spread).within(DEADLINE).unwatched().attach();
        let client = client.map_err(io::Error::other)?;
        if !ask(&client) {
            return Err(io::Error::other("the server does not answer before anything has happened"));
        }
        clients.push(client);
    }
    Ok(clients)
}

/// A request and its answer.
fn ask(mut client: &Covered) -> bool {
    client.write(b"x").is_ok_and(|count| count == 1) && client.read(&mut [0; 1]).is_ok_and(|count| count == 1)
}

/// The server's process, which ends with this.
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(address: SocketAddr) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other);
        let server = Self { process, input, output, address: address? };
        Ok(server)
    }

    /// Ends it, and returns when connections came.
    fn end(mut self) -> io::Result<Vec<u64>> {
        self.input.take();
        let mut said = String::new();
        self.output.read_to_string(&mut said)?;
        serde_json::from_str(&said).map_err(io::Error::other)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
