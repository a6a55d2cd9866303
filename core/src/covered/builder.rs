//! Covering a descriptor, in a sentence.

use std::num::NonZeroI32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::Covered;
use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::connection::{Episode, Policy, Watched};
use crate::error::AttachError;
use crate::recover::{self, TABLE};
use crate::sync::Arc;

/// Begins to cover a descriptor.
///
/// ```no_run
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let server = ["db1.example:7000", "db2.example:7000"];
/// let stream = ha_core::cover(TcpStream::connect(server[0])?)
///     .recovered_by(ha_core::Reconnect::to(server).saying("HELLO\n"))
///     .within(Duration::from_secs(20))
///     .attach()?;
/// (&stream).write_all(b"GET\n")?;
/// # Ok(()) }
/// ```
pub fn cover(descriptor: impl Into<OwnedFd>) -> Builder {
    Builder { descriptor: descriptor.into(), function: None, policy: Policy::persistent(), total: None, in_a_row: None }
}

/// A descriptor about to be covered. Nothing happens before [`attach`](Self::attach).
#[must_use = "nothing is covered before `attach`"]
pub struct Builder {
    descriptor: OwnedFd,
    function: Option<Box<dyn Recover>>,
    policy: Policy,
    total: Option<i32>,
    in_a_row: Option<i32>,
}

impl Builder {
    /// Names the recovery function.
    pub fn recovered_by(mut self, recovery: impl Recover) -> Self {
        self.function = Some(Box::new(recovery));
        self
    }

    /// Names a closure as the recovery function: it returns the new descriptor, of the same kind as the old one (another
    /// kind gives up at once).
    ///
    /// An [`io::Error`](std::io::Error) that it returns with `?` means "not yet, try again within the deadline"; to end the attempts
    /// it returns [`RecoveryError::Final`]. The rules of [`Recover`] hold.
    pub fn recovered_with<F>(self, recovery: F) -> Self
    where
        F: Fn(&Attempt<'_>) -> Result<OwnedFd, RecoveryError> + Send + Sync + 'static,
    {
        self.recovered_by(Closure(recovery))
    }

    /// How long one call may be held up by recoveries, all attempts and episodes together, its own and those of other
    /// threads that it waits for; 30 seconds unless said otherwise.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.policy.deadline = Some(deadline);
        self
    }

    /// Tries until it succeeds or the recovery function says that it never will.
    pub fn without_deadline(mut self) -> Self {
        self.policy.deadline = None;
        self
    }

    /// Gives up when the first attempt of an episode fails, whatever is left of the deadline.
    pub fn trying_once(mut self) -> Self {
        self.policy.persists = false;
        self
    }

    /// The pauses between attempts: each is a random part of a ceiling that starts at `first` and doubles up to
    /// `longest`. 1 millisecond to 1 second unless said otherwise.
    pub fn pausing(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first_pause = first;
        self.policy.longest_pause = longest;
        self
    }

    /// The first attempt comes at a random moment within this time, so that a server that comes back is not met by
    /// all its clients at once. 2 milliseconds unless said otherwise; zero to try at once.
    pub fn spreading(mut self, spread: Duration) -> Self {
        self.policy.spread = spread;
        self
    }

    /// Recovers in so many episodes at most; later ones are given up without calling the recovery function, until
    /// [`Covered::forgive`] starts the count anew. Unlimited unless said otherwise.
    pub fn at_most(mut self, episodes: u32) -> Self {
        self.total = Some(i32::try_from(episodes).unwrap_or(i32::MAX));
        self
    }

    /// Gives up when so many recoveries in a row were followed by another death of the very same call. Unlimited unless
    /// said otherwise. (A server that answers and closes is another matter: see
    /// [`ending_with_end_of_file`](Self::ending_with_end_of_file).)
    pub fn at_most_in_a_row(mut self, recoveries: u32) -> Self {
        self.in_a_row = Some(i32::try_from(recoveries).unwrap_or(i32::MAX));
        self
    }

    /// Counts these errors as the death of the connection, in addition to those that always do.
    pub fn dying_of(mut self, errnos: impl IntoIterator<Item = Errno>) -> Self {
        errnos.into_iter().for_each(|errno| self.policy.also_deadly.insert(errno));
        self
    }

    /// Does not count these errors as the death of the connection.
    pub fn surviving(mut self, errnos: impl IntoIterator<Item = Errno>) -> Self {
        errnos.into_iter().for_each(|errno| self.policy.not_deadly.insert(errno));
        self
    }

    /// An end of file is what the protocol ends with, and not the death of the server.
    ///
    /// Without this a read loop on a server that answers and closes reconnects for ever.
    pub fn ending_with_end_of_file(mut self) -> Self {
        self.policy.end_of_file_is_death = false;
        self
    }

    /// Allows a TCP socket to be revived in place although a forked child may share it: the child is then connected
    /// to the new server as well.
    pub fn sharing_with_children(mut self) -> Self {
        self.policy.in_place_after_fork = true;
        self
    }

    /// Says which epoll instance watches this descriptor or its clones; may be said several times. Registrations follow
    /// a recovery with their mask and data. Unless this or [`unwatched`](Self::unwatched) is said, each recovery that
    /// replaces the description searches /proc/self/fd for epoll instances.
    pub fn watched_by(mut self, epoll: &impl AsRawFd) -> Self {
        let epoll = epoll.as_raw_fd();
        match &mut self.policy.watched {
            Watched::By(instances) => instances.push(epoll),
            watched => *watched = Watched::By([epoll].into_iter().collect()),
        }
        self
    }

    /// Says that no epoll instance watches this descriptor.
    pub fn unwatched(mut self) -> Self {
        self.policy.watched = Watched::Nowhere;
        self
    }

    /// After a recovery sends this real-time signal to every thread, so that calls which sleep on the old description
    /// move to the new one. For pipes, FIFOs and terminals; sockets need no such help. Signal 0 is none.
    pub fn kicking_with(mut self, signal: i32) -> Self {
        self.policy.kick = NonZeroI32::new(signal);
        self
    }

    /// Calls `observer` after each episode's verdict, on the thread that recovered, with no lock held.
    pub fn on_verdict(mut self, observer: impl Fn(&Episode) + Send + Sync + 'static) -> Self {
        self.policy.observer = Some(Arc::new(observer));
        self
    }

    /// Covers the descriptor.
    ///
    /// # Errors
    ///
    /// See [`AttachError`]. The descriptor is closed then, as it is owned.
    pub fn attach(self) -> Result<Covered, AttachError> {
        let Self { descriptor, function, policy, total, in_a_row } = self;
        let function = function.ok_or(AttachError::NoFunction)?;
        let number = descriptor.as_raw_fd();
        let connection = recover::attach(&TABLE, number, function, policy)?;
        if let Some(total) = total {
            connection.limits.set_total(total);
        }
        if let Some(in_a_row) = in_a_row {
            connection.limits.set_in_a_row(in_a_row);
        }
        Ok(Covered { descriptor: Some(descriptor), connection })
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Builder")
            .field("descriptor", &self.descriptor)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

struct Closure<F>(F);

impl<F> Recover for Closure<F>
where
    F: Fn(&Attempt<'_>) -> Result<OwnedFd, RecoveryError> + Send + Sync + 'static,
{
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        (self.0)(attempt).map(Recovered::Staged)
    }
}
