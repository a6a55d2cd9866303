//! What tests of the engine need again and again: connections of every kind, servers that die, counted recoveries.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::connection::{Birth, Connection, Members, Policy};
use crate::covered::{Covered, cover};
use crate::sync::thread::ThreadId;
use crate::sync::{Arc, AtomicU32, Ordering};
use crate::table::{Identity, Kind};

/// Never recovers.
pub(crate) struct Never;

impl Recover for Never {
    fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        Err(RecoveryError::Final(std::io::ErrorKind::NotConnected.into()))
    }
}

/// A closure as a recovery function.
pub(crate) struct Then<F>(pub(crate) F);

impl<F> Recover for Then<F>
where
    F: Fn(&Attempt<'_>) -> Result<OwnedFd, RecoveryError> + Send + Sync + 'static,
{
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        (self.0)(attempt).map(Recovered::Staged)
    }
}

/// A connection that is in no table.
pub(crate) fn connection_of(kind: Kind) -> Connection {
    Connection::new(birth(kind))
}

pub(crate) fn unconnected_socket() -> Connection {
    Connection::new(Birth { connected: false, ..birth(Kind::Stream) })
}

fn birth(kind: Kind) -> Birth {
    Birth {
        identity: Identity::from_sequence(1).unwrap(),
        kind,
        members: Members::of(0),
        function: Box::new(Never),
        policy: Policy::persistent(),
        forks_before: 0,
        connected: true,
        size: 0,
    }
}

/// A server inside the test: its connections are socket pairs, and it dies on request.
///
/// Every connection is served by a thread of its own, which ends when either side of the connection goes away.
pub(crate) struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    alive: Mutex<Vec<UnixStream>>,
    recoveries: AtomicU32,
    serve: fn(UnixStream),
}

/// Sends back what it gets.
pub(crate) fn echo(mut stream: UnixStream) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = stream.read(&mut bytes).and_then(|count| stream.write_all(&bytes[..count]).map(|()| count)) {}
}

/// Takes what it gets and answers nothing.
pub(crate) fn swallow(mut stream: UnixStream) {
    while let Ok(1..) = stream.read(&mut [0; 4096]) {}
}

/// Sends bytes without end and reads nothing.
pub(crate) fn pour(mut stream: UnixStream) {
    while stream.write_all(&[7; 64]).is_ok() {}
}

/// Reads nothing and sends nothing, until the other side hangs up.
pub(crate) fn silence(stream: UnixStream) {
    until("the client hangs up", || {
        let polled = PollFd::new(&stream, PollFlags::empty());
        poll(&mut [polled.clone()], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 })).is_ok_and(|ready| ready > 0)
    });
}

impl Server {
    pub(crate) fn that(serve: fn(UnixStream)) -> Self {
        Self { shared: Arc::new(Shared { alive: Mutex::default(), recoveries: AtomicU32::new(0), serve }) }
    }

    pub(crate) fn connect(&self) -> UnixStream {
        self.shared.connect()
    }

    /// Cuts every connection; new ones can be made at once.
    pub(crate) fn die(&self) {
        for stream in self.shared.alive.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }

    /// How often the recovery function has been called.
    pub(crate) fn recoveries(&self) -> u32 {
        self.shared.recoveries.load(Ordering::Relaxed)
    }

    /// A recovery function that connects to this server again.
    pub(crate) fn again(&self) -> impl Fn(&Attempt<'_>) -> Result<OwnedFd, RecoveryError> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |_| {
            shared.recoveries.fetch_add(1, Ordering::Relaxed);
            Ok(shared.connect().into())
        }
    }

    /// A covered connection to this server, recovered by connecting again at once.
    pub(crate) fn covered(&self) -> Covered {
        cover(self.connect()).recovered_with(self.again()).spreading(Duration::ZERO).attach().unwrap()
    }
}

impl Shared {
    fn connect(&self) -> UnixStream {
        let (client, server) = UnixStream::pair().unwrap();
        self.alive.lock().unwrap().push(server.try_clone().unwrap());
        let (serve, end) = (self.serve, server.try_clone().unwrap());
        std::thread::spawn(move || {
            serve(server);
            let _ = end.shutdown(Shutdown::Both);
        });
        client
    }
}

/// Takes ownership of a number that a test has made by itself.
#[allow(unsafe_code)]
pub(crate) fn own(number: RawFd) -> OwnedFd {
    // SAFETY: tests call it with numbers that they chose, and that nobody else owns.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Waits until `condition` holds; fails the test if it does not within ten seconds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Whether the thread sleeps in the kernel.
pub(crate) fn is_asleep(thread: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
}

/// Runs `body` in this many threads, and calls `meanwhile` once all of them sleep in the kernel.
pub(crate) fn while_all_sleep<R: Send>(
    threads: usize,
    body: impl Fn(usize) -> R + Sync,
    meanwhile: impl FnOnce(),
) -> Vec<R> {
    let ids = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                let (ids, body) = (&ids, &body);
                scope.spawn(move || {
                    ids.lock().unwrap().push(ThreadId::current().as_raw());
                    body(index)
                })
            })
            .collect();
        until("all threads sleep", || {
            let ids = ids.lock().unwrap();
            ids.len() == threads && ids.iter().all(|id| is_asleep(*id))
        });
        meanwhile();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}
