//! Connecting to the same server again.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_acceptconn, socket_timeout};

use super::address::{Address, Place};
use super::in_place::{Revival, is_plain_tcp, revive};
use super::{invalid, socket};
use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::kernel::kind::kind_of;
use crate::kernel::socket::{TcpState, tcp_state};
use crate::table::Target;

/// How long one address may take to answer, so that a silent one leaves time for the next.
const PER_ADDRESS: Duration = Duration::from_secs(5);

/// How long an address gets at the first attempt; each next attempt gives it twice as long. A dying listener can swallow
/// a connection request without an answer, and the kernel sends it again only after a second (measured).
const AT_FIRST: Duration = Duration::from_millis(300);

type Hook = dyn Fn(BorrowedFd<'_>, &Attempt<'_>) -> io::Result<()> + Send + Sync;

/// Recovers a socket by connecting to the server again.
///
/// ```
/// use ha_core::Reconnect;
///
/// // The names are resolved at every attempt, and every address is tried, in this order.
/// let cache = Reconnect::to(["cache-1.example:6379", "cache-2.example:6379"]);
/// // Said on the new connection before anybody else can use it.
/// let log = Reconnect::to_unix("/run/log.socket").saying("HELLO 1\n");
/// # let _ = (cache, log);
/// ```
///
/// # In place or staged
///
/// A TCP socket without [`saying`](Self::saying) and [`then`](Self::then) is connected anew itself, where the policy
/// allows it: every dup, also in other processes, every epoll registration and every option goes on with the new
/// connection. If another process that shares it has already done so, its connection is adopted, not cut.
///
/// Everything else gets a new socket of the same type with the options of the old one (keepalive, no-delay, timeouts,
/// linger, priority, buffer sizes that were set, and more of that kind), which is put under the numbers once it is
/// connected and everything has been said. In both cases an explicit `bind` of the old socket is not kept. After an
/// attempt in place that failed, the old socket is no more what it was: it is not connected, and holds no unread bytes.
///
/// # When it is tried again, and when not
///
/// Whatever the network answers is a reason to try again: a refused connection, an unreachable host, a name that does
/// not resolve. Attaching is refused with [`io::ErrorKind::InvalidInput`] where no server could ever answer: no
/// address at all, none of the form `host:port`, a Unix path that is relative or too long.
///
/// # Waiting
///
/// An address gets 300 milliseconds at the first attempt, twice as long at each next one up to five seconds, and all of
/// them together what is left of the deadline. While a hook runs, a read or write on its socket that waits for longer than
/// the deadline allows ends with EAGAIN. Resolving names is the
/// system's business and bounded by its own timeouts only. Callers on other threads wait for the verdict meanwhile.
pub struct Reconnect {
    place: Place,
    words: Vec<u8>,
    hook: Option<Box<Hook>>,
    in_place: bool,
}

impl Reconnect {
    /// Connects by TCP to the first of these `host:port` that answers.
    pub fn to<S: Into<String>>(addresses: impl IntoIterator<Item = S>) -> Self {
        Self::to_place(Place::Internet(addresses.into_iter().map(Into::into).collect()))
    }

    /// Connects to the Unix socket at this absolute path; a stream or seqpacket one, as the old socket was.
    pub fn to_unix(path: impl Into<PathBuf>) -> Self {
        Self::to_place(Place::Unix(path.into()))
    }

    /// Connects to a Unix socket in the abstract namespace; the name is without the leading zero.
    pub fn to_abstract(name: impl Into<Vec<u8>>) -> Self {
        Self::to_place(Place::Abstract(name.into()))
    }

    fn to_place(place: Place) -> Self {
        Self { place, words: Vec::new(), hook: None, in_place: true }
    }

    /// Sends these bytes first on every new connection, completely, before anybody else can use it.
    ///
    /// For what the server does not answer: an answer would be taken by the program's next read. Use [`then`](Self::then)
    /// to read one.
    #[must_use]
    pub fn saying(mut self, words: impl Into<Vec<u8>>) -> Self {
        self.words = words.into();
        self
    }

    /// Runs this on every new connection, after the words of [`saying`](Self::saying): the place to log in, and to
    /// send again what was outstanding.
    ///
    /// The socket is in blocking mode, and its timeouts end what waits for longer than [`Attempt::remaining`]; the old
    /// socket's own come back afterwards. An error closes the new connection and fails the attempt; another may follow.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// let session = ha_core::Reconnect::to(["db.example:5432"]).then(|socket, attempt| {
    ///     let mut stream = TcpStream::from(socket.try_clone_to_owned()?);
    ///     stream.set_read_timeout(attempt.remaining())?;
    ///     stream.write_all(b"LOGIN\n")?;
    ///     stream.read_exact(&mut [0; 3])?;
    ///     stream.set_read_timeout(None)
    /// });
    /// # let _ = session;
    /// ```
    #[must_use]
    pub fn then<F>(mut self, hook: F) -> Self
    where
        F: Fn(BorrowedFd<'_>, &Attempt<'_>) -> io::Result<()> + Send + Sync + 'static,
    {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Whether the old TCP socket may be connected anew instead of being replaced; it may if nothing else is said.
    #[must_use]
    pub fn in_place(mut self, allowed: bool) -> Self {
        self.in_place = allowed;
        self
    }

    /// A new socket, connected to this address and introduced.
    fn stage(&self, address: &Address, attempt: &Attempt<'_>) -> io::Result<OwnedFd> {
        let new = socket::connected(address, attempt.old(), Some(share(attempt)))?;
        socket::say(new.as_fd(), &self.words, attempt.remaining())?;
        socket::make_blocking(new.as_fd())?;
        if let Some(hook) = &self.hook {
            within_the_deadline(new.as_fd(), attempt, || hook(new.as_fd(), attempt))?;
        }
        Ok(new)
    }
}

impl Recover for Reconnect {
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        self.place.check().map_err(RecoveryError::Final)?;
        let old = attempt.old();
        let silent = self.words.is_empty() && self.hook.is_none();
        let mut in_place = self.in_place && silent && attempt.may_revive_in_place() && is_plain_tcp(old);
        if in_place {
            match tcp_state(old) {
                Some(TcpState::Established) => return Ok(Recovered::InPlace),
                // Ours would have been taken back: another process that shares the socket is at it.
                Some(TcpState::Connecting) => return Err(Errno::ALREADY.into()),
                _ => {}
            }
        }
        let mut failure = io::Error::from(Errno::HOSTUNREACH);
        for address in self.place.addresses()? {
            if in_place {
                match revive(old, &address, Some(share(attempt))) {
                    Revival::Revived => return Ok(Recovered::InPlace),
                    Revival::Unanswered(error) => {
                        failure = error;
                        continue;
                    }
                    Revival::Impossible => in_place = false,
                }
            }
            match self.stage(&address, attempt) {
                Ok(new) => return Ok(Recovered::Staged(new)),
                Err(error) => failure = error,
            }
        }
        Err(RecoveryError::Again(failure))
    }

    fn target(&self) -> Option<Target> {
        self.place.target()
    }

    fn attached(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.place.check()?;
        if !kind_of(descriptor)?.is_socket() {
            return Err(invalid("only a socket can be connected again"));
        }
        if socket_acceptconn(descriptor).unwrap_or(false) {
            return Err(invalid("a listening socket has no server to connect to again"));
        }
        Ok(())
    }
}

/// How long the next address may take.
fn share(attempt: &Attempt<'_>) -> Duration {
    let doublings = attempt.count().saturating_sub(1).min(5);
    let share = PER_ADDRESS.min(AT_FIRST * 2_u32.pow(doublings));
    attempt.remaining().map_or(share, |left| left.min(share))
}

/// Runs a hook on a blocking socket such that a server that has nothing to say cannot hold it for ever.
fn within_the_deadline<R>(
    socket: BorrowedFd<'_>,
    attempt: &Attempt<'_>,
    hook: impl FnOnce() -> io::Result<R>,
) -> io::Result<R> {
    let Some(left) = attempt.remaining() else { return hook() };
    let limits = [Timeout::Recv, Timeout::Send].map(|which| (which, socket_timeout(socket, which).ok().flatten()));
    for (which, own) in limits {
        // A timeout of zero would mean "none" to the kernel.
        let limit = own.map_or(left, |own| own.min(left)).max(Duration::from_millis(1));
        set_socket_timeout(socket, which, Some(limit))?;
    }
    let result = hook();
    for (which, own) in limits {
        set_socket_timeout(socket, which, own)?;
    }
    result
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Reconnect")
            .field("place", &self.place)
            .field("words", &self.words.len())
            .field("hook", &self.hook.is_some())
            .field("in_place", &self.in_place)
            .finish()
    }
}

#[cfg(test)]
mod tests;
