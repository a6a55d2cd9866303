//! Connections that die, and clients that recover them: with libha, and by hand.
//!
//! Each round the server dies and a call meets it. Whoever made the call finds out, obtains a new connection, puts it
//! under every number, and calls again. The new connection comes from loopback, from a Unix socket or from a local
//! regular file, which is as little as it can cost, so that what differs is the way.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ha_core::{Attempt, Builder, Covered, Reconnect, RecoveryError, cover};
use rustix::io::Errno;
use rustix::net::{SendFlags, connect, connect_unspec, send, sockopt};
use tempfile::NamedTempFile;

/// What dies, and how it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A TCP connection is reset, and its socket connected again.
    TcpInPlace,
    /// A TCP connection is reset, and a new socket put in its place.
    TcpStaged,
    /// A Unix connection is closed, and a new socket put in its place.
    Unix,
    /// A file's number is closed behind the client's back, and the file opened again.
    File,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TcpInPlace, Self::TcpStaged, Self::Unix, Self::File];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TcpInPlace => "TCP in place",
            Self::TcpStaged => "TCP staged",
            Self::Unix => "Unix",
            Self::File => "file",
        }
    }
}

/// The server.
#[derive(Debug)]
enum Server {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, std::os::unix::net::SocketAddr),
    File(NamedTempFile),
}

impl Server {
    fn new(way: Way) -> io::Result<Self> {
        Ok(match way {
            Way::TcpInPlace | Way::TcpStaged => {
                let listener = TcpListener::bind(("127.0.0.1", 0))?;
                let address = listener.local_addr()?;
                Self::Tcp(listener, address)
            }
            Way::Unix => {
                let name = format!("ha-bench-{}-{:?}", std::process::id(), Instant::now());
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                Self::Unix(UnixListener::bind_addr(&address)?, address)
            }
            Way::File => Self::File(NamedTempFile::new()?),
        })
    }

    fn connect(&self) -> io::Result<OwnedFd> {
        Ok(match self {
            Self::Tcp(_, address) => TcpStream::connect(address)?.into(),
            Self::Unix(_, address) => UnixStream::connect_addr(address)?.into(),
            Self::File(file) => File::options().append(true).open(file)?.into(),
        })
    }

    /// Ends the connection of the moment: the next call of a client on `number` meets it dead.
    fn die(&self, number: RawFd) -> io::Result<()> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept()?;
                sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
            }
            Self::Unix(listener, _) => drop(listener.accept()?),
            Self::File(_) => {
                // SAFETY: it is what a program does that closes a number twice; who owns it opens it again.
                unsafe { rustix::io::close(number) };
            }
        }
        Ok(())
    }
}

/// Somebody whose calls outlive their server.
pub trait Client: Sync {
    /// The number that dies.
    fn number(&self) -> RawFd;
    /// Writes a byte through one of the members.
    ///
    /// # Errors
    ///
    /// When the connection could not be recovered.
    fn write(&self, member: usize) -> io::Result<usize>;
}

/// By hand.
#[derive(Debug)]
struct ByHand {
    way: Way,
    server: Arc<Server>,
    members: Vec<OwnedFd>,
    generation: Mutex<u64>,
}

impl ByHand {
    fn issue(&self, member: usize) -> rustix::io::Result<usize> {
        let member = &self.members[member % self.members.len()];
        if self.way == Way::File { rustix::io::write(member, b"x") } else { send(member, b"x", SendFlags::NOSIGNAL) }
    }

    fn reconnect(&self) -> io::Result<()> {
        if let (Way::TcpInPlace, Server::Tcp(_, address)) = (self.way, &*self.server) {
            connect_unspec(&self.members[0])?;
            return Ok(connect(&self.members[0], address)?);
        }
        let new = self.server.connect()?;
        for member in &self.members {
            replace(new.as_fd(), member.as_raw_fd())?;
        }
        Ok(())
    }
}

/// dup3(2) onto a number that stays its owner's.
fn replace(new: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: the number's owner wants to own the new description.
    let put = unsafe { libc::dup3(new.as_raw_fd(), number, libc::O_CLOEXEC) };
    if put == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Client for ByHand {
    fn number(&self) -> RawFd {
        self.members[0].as_raw_fd()
    }

    fn write(&self, member: usize) -> io::Result<usize> {
        let seen = *self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        match self.issue(member) {
            Err(Errno::PIPE | Errno::CONNRESET | Errno::BADF) => {
                let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
                if *generation == seen {
                    self.reconnect()?;
                    *generation += 1;
                }
                drop(generation);
                Ok(self.issue(member)?)
            }
            result => Ok(result?),
        }
    }
}

/// With libha.
#[derive(Debug)]
struct WithLibha(Vec<Covered>);

impl Client for WithLibha {
    fn number(&self) -> RawFd {
        self.0[0].as_fd().as_raw_fd()
    }

    fn write(&self, member: usize) -> io::Result<usize> {
        (&self.0[member % self.0.len()]).write(b"x")
    }
}

/// A client and its server, with which rounds are played.
pub struct Rounds {
    server: Arc<Server>,
    client: Box<dyn Client + Send>,
    threads: usize,
}

impl std::fmt::Debug for Rounds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Rounds").field("server", &self.server).field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Rounds {
    /// A client with this many dups and threads that recovers by hand.
    ///
    /// # Errors
    ///
    /// When it cannot connect.
    pub fn by_hand(way: Way, dups: usize, threads: usize) -> io::Result<Self> {
        let server = Arc::new(Server::new(way)?);
        let lower = lower_numbers()?;
        let first = server.connect()?;
        let mut members = Vec::with_capacity(dups + 1);
        for _ in 0..dups {
            members.push(first.try_clone()?);
        }
        members.insert(0, first);
        drop(lower);
        let client = ByHand { way, server: Arc::clone(&server), members, generation: Mutex::default() };
        Self::verified(server, Box::new(client), threads)
    }

    /// The same, with libha, which is told that no epoll instance watches.
    ///
    /// # Errors
    ///
    /// When it cannot connect or be covered.
    pub fn with_libha(way: Way, dups: usize, threads: usize) -> io::Result<Self> {
        Self::covered(way, dups, threads, Builder::unwatched)
    }

    /// A client with libha that any epoll instance of the process may watch, which is what libha assumes.
    ///
    /// # Errors
    ///
    /// When it cannot connect or be covered.
    pub fn watched(way: Way) -> io::Result<Self> {
        Self::covered(way, 0, 1, |builder| builder)
    }

    fn covered(way: Way, dups: usize, threads: usize, finish: impl FnOnce(Builder) -> Builder) -> io::Result<Self> {
        let server = Arc::new(Server::new(way)?);
        let lower = lower_numbers()?;
        let builder = finish(cover(server.connect()?).spreading(Duration::ZERO));
        let builder = match (way, &*server) {
            (Way::TcpInPlace, Server::Tcp(_, address)) => builder.recovered_by(Reconnect::to([address.to_string()])),
            _ => {
                let again = Arc::clone(&server);
                builder.recovered_with(move |_: &Attempt<'_>| again.connect().map_err(RecoveryError::from))
            }
        };
        let first = builder.attach().map_err(io::Error::other)?;
        let mut members = Vec::with_capacity(dups + 1);
        for _ in 0..dups {
            members.push(first.try_clone()?);
        }
        members.insert(0, first);
        drop(lower);
        Self::verified(server, Box::new(WithLibha(members)), threads)
    }

    /// Plays a round that counts for nothing, and fails unless all is well after it.
    fn verified(server: Arc<Server>, client: Box<dyn Client + Send>, threads: usize) -> io::Result<Self> {
        let rounds = Self { server, client, threads };
        rounds.play(2)?;
        for member in 0..16 {
            crate::verify("a member after the recovery", &rounds.client.write(member)?, &1)?;
        }
        Ok(rounds)
    }

    /// Plays rounds: from the death to the moment when all threads have resumed. Returns how long that took altogether;
    /// what the server does in between does not count.
    ///
    /// # Errors
    ///
    /// When a call has failed.
    pub fn play(&self, rounds: u64) -> io::Result<Duration> {
        if self.threads > 1 { self.play_with_threads(rounds) } else { self.play_alone(rounds) }
    }

    fn play_alone(&self, rounds: u64) -> io::Result<Duration> {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            self.server.die(self.client.number())?;
            let began = Instant::now();
            let written = self.client.write(0)?;
            spent += began.elapsed();
            crate::verify("a write that met a dead server", &written, &1)?;
        }
        Ok(spent)
    }

    fn play_with_threads(&self, rounds: u64) -> io::Result<Duration> {
        let (start, end) = (Barrier::new(self.threads + 1), Barrier::new(self.threads + 1));
        // Where one recovery has failed nobody is connected, and there is nobody to die next.
        let failed = AtomicBool::new(false);
        let mut spent = Duration::ZERO;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|member| {
                    let (start, end, failed) = (&start, &end, &failed);
                    scope.spawn(move || {
                        let mut all = Ok(());
                        for _ in 0..rounds {
                            start.wait();
                            let written = self.client.write(member).map(drop);
                            failed.fetch_or(written.is_err(), Ordering::Relaxed);
                            all = all.and(written);
                            end.wait();
                            if failed.load(Ordering::Relaxed) {
                                break;
                            }
                        }
                        all
                    })
                })
                .collect();
            let mut died = Ok(());
            for _ in 0..rounds {
                let this_time = self.server.die(self.client.number());
                failed.fetch_or(this_time.is_err(), Ordering::Relaxed);
                died = died.and(this_time);
                start.wait();
                let began = Instant::now();
                end.wait();
                spent += began.elapsed();
                if failed.load(Ordering::Relaxed) {
                    break;
                }
            }
            let all =
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())));
            all.fold(died, io::Result::and)
        })?;
        Ok(spent)
    }
}

/// Keeps numbers that are lower than those of the members, until they have theirs: a file that is opened again must not get
/// the very number that is missing.
fn lower_numbers() -> io::Result<[File; 4]> {
    let file = File::open("/dev/null")?;
    Ok([file.try_clone()?, file.try_clone()?, file.try_clone()?, file])
}
