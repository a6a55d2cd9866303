//! A server whose connections live and die as a test has written down.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::net::{Shutdown, connect_unspec, shutdown};
use tempfile::TempDir;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// In order, as when the server's process ends.
    Fin,
    /// By a reset, as when the server's machine has forgotten it.
    Reset,
}

/// When a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It answers as long as it is asked.
    Long,
    /// It dies after so many answers.
    After(usize, Death),
    /// It dies when it has read the request after so many answers.
    InRequest(usize, Death),
    /// It dies after so many answers and the half of another one.
    HalfAnswer(usize, Death),
}

impl Life {
    fn ends_by_a_reset(self) -> bool {
        matches!(
            self,
            Self::After(_, Death::Reset) | Self::InRequest(_, Death::Reset) | Self::HalfAnswer(_, Death::Reset)
        )
    }
}

/// What the requests and answers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A line that is answered by `LINE@CONNECTION`.
    Lines,
    /// HTTP/1.1, with `PATH@CONNECTION` as the answer's body.
    Http,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    Tcp,
    UnixPath,
    UnixAbstract,
}

/// What comes after the last life that is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// The last one again, for every connection to come.
    TheSame,
    /// Nobody listens any more when the last one begins.
    Nobody,
}

/// The course of a server's life.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) place: Where,
    pub(crate) protocol: Protocol,
    pub(crate) lives: Vec<Life>,
    pub(crate) afterwards: Afterwards,
    /// Whether a death between two requests waits until the client asks for it.
    pub(crate) is_ordered: bool,
}

/// A server that runs until the test ends.
#[derive(Debug)]
pub(crate) struct Server {
    address: Address,
    control: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _directory: TempDir,
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Abstract(String),
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Course {
    pub(crate) fn of(lives: &[Life]) -> Self {
        let lives = lives.to_vec();
        Self { place: Where::Tcp, protocol: Protocol::Lines, lives, afterwards: Afterwards::TheSame, is_ordered: false }
    }

    pub(crate) fn at(self, place: Where) -> Self {
        Self { place, ..self }
    }

    pub(crate) fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    pub(crate) fn ordered(self) -> Self {
        Self { is_ordered: true, ..self }
    }

    pub(crate) fn and_then_nobody(self) -> Self {
        Self { afterwards: Afterwards::Nobody, ..self }
    }

    pub(crate) fn start(&self) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let (listener, address) = listen(self.place, &directory);
        let control = TcpListener::bind("127.0.0.1:0").unwrap();
        let server =
            Server { address, control: control.local_addr().unwrap(), requests: Arc::default(), _directory: directory };
        let ((deaths, died), (orders, ordered)) = (channel(), channel());
        thread::spawn(move || {
            let (client, _) = control.accept()?;
            let mut ordering = client.try_clone()?;
            thread::spawn(move || while ordering.read_exact(&mut [0]).is_ok() && orders.send(()).is_ok() {});
            died.iter().try_for_each(|()| (&client).write_all(b"x"))
        });
        let ordered = Arc::new(Mutex::new(ordered));
        let (course, requests) = (self.clone(), Arc::clone(&server.requests));
        thread::spawn(move || course.run(listener, &requests, &deaths, &ordered));
        server
    }

    fn run(
        self,
        listener: Listener,
        requests: &Arc<Mutex<Vec<String>>>,
        deaths: &Sender<()>,
        ordered: &Arc<Mutex<Receiver<()>>>,
    ) -> io::Result<()> {
        let mut listener = Some(listener);
        for ordinal in 1.. {
            let Some(open) = &listener else { break };
            let connection = open.accept()?;
            let life = *self.lives.get(ordinal - 1).or_else(|| self.lives.last()).unwrap();
            if self.afterwards == Afterwards::Nobody && ordinal == self.lives.len() {
                open.stop()?;
                listener = None;
            }
            let (requests, deaths, protocol) = (Arc::clone(requests), deaths.clone(), self.protocol);
            let ordered = (self.is_ordered && matches!(life, Life::After(..))).then(|| Arc::clone(ordered));
            thread::spawn(move || {
                // A client that goes away in the middle is as good.
                let _ = live(&connection, ordinal, life, protocol, &requests);
                // That nobody asks any more is as good.
                let _ = ordered.map(|ordered| ordered.lock().unwrap().recv());
                // Not left to `close`: a process that a test is starting has the descriptor, too, for a moment.
                if life.ends_by_a_reset() {
                    connect_unspec(&connection).unwrap();
                } else {
                    let _ = shutdown(&connection, Shutdown::Both);
                }
                let _ = deaths.send(());
            });
        }
        Ok(())
    }
}

fn live(
    mut connection: &File,
    ordinal: usize,
    life: Life,
    protocol: Protocol,
    requests: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut answered = 0;
    loop {
        if matches!(life, Life::After(most, _) if most == answered) {
            return Ok(());
        }
        let Some(request) = protocol.read(&mut reader)? else { return Ok(()) };
        requests.lock().unwrap().push(request.clone());
        let answer = protocol.answer(&format!("{request}@{ordinal}"));
        match life {
            Life::InRequest(most, _) if most == answered => return Ok(()),
            Life::HalfAnswer(most, _) if most == answered => {
                return connection.write_all(&answer[..answer.len() / 2]);
            }
            _ => connection.write_all(&answer)?,
        }
        answered += 1;
    }
}

impl Protocol {
    fn read(self, reader: &mut impl BufRead) -> io::Result<Option<String>> {
        let mut request = String::new();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 {
            let is_whole = self == Self::Lines || line == "\r\n";
            request.push_str(&line);
            if is_whole {
                let name = if self == Self::Lines { request.trim() } else { request.split(' ').nth(1).unwrap_or("") };
                return Ok(Some(name.to_owned()));
            }
            line.clear();
        }
        Ok(None)
    }

    fn answer(self, body: &str) -> Vec<u8> {
        match self {
            Self::Lines => format!("{body}\n"),
            Self::Http => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        }
        .into_bytes()
    }
}

/// Every server has an address of its own, so that none is taken for one that has gone.
fn listen(place: Where, directory: &TempDir) -> (Listener, Address) {
    static MADE: AtomicU16 = AtomicU16::new(1);
    let ordinal = MADE.fetch_add(1, Ordering::Relaxed);
    match place {
        Where::Tcp => {
            let [high, low] = ordinal.to_be_bytes();
            let listener = TcpListener::bind((Ipv4Addr::new(127, 77, high, low), 0)).unwrap();
            let address = listener.local_addr().unwrap();
            (Listener::Tcp(listener), Address::Tcp(address))
        }
        Where::UnixPath => {
            let path = directory.path().join("server");
            (Listener::Unix(UnixListener::bind(&path).unwrap()), Address::Unix(path))
        }
        Where::UnixAbstract => {
            let name = format!("ha-reconnect-{}-{ordinal}", std::process::id());
            let address = UnixAddr::from_abstract_name(&name).unwrap();
            (Listener::Unix(UnixListener::bind_addr(&address).unwrap()), Address::Abstract(name))
        }
    }
}

impl Listener {
    /// Refuses whoever comes now; `close` alone does not, while a process that a test is starting has the descriptor, too.
    fn stop(&self) -> io::Result<()> {
        let listener = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        Ok(shutdown(listener, Shutdown::Both)?)
    }

    /// The next connection; whatever its kind, it is read and written like a file.
    fn accept(&self) -> io::Result<File> {
        let connection: OwnedFd = match self {
            Self::Tcp(listener) => listener.accept()?.0.into(),
            Self::Unix(listener) => listener.accept()?.0.into(),
        };
        Ok(connection.into())
    }
}

impl Server {
    /// As `--reconnect` wants it.
    pub(crate) fn address(&self) -> String {
        match &self.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Abstract(name) => format!("unix:@{name}"),
        }
    }

    /// Where a byte can be read for every connection that has died.
    pub(crate) fn control(&self) -> String {
        self.control.to_string()
    }

    /// The requests that have arrived, on all connections.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}
