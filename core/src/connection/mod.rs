//! The connection: the shared, reference-counted record of one open description and all its numbers.

mod change;
pub(crate) mod function;
mod gate;
mod history;
mod limits;
mod members;
mod operation;
mod policy;

use std::net::Shutdown;
use std::time::Duration;

use crate::sync::{ArcSwap, ArcSwapOption};

use crate::sync::{Arc, AtomicU8, AtomicU64, Ordering};
use crate::table::{Epoch, Identity, Kind, Target, Word};
use function::Recover;

pub(crate) use change::{Stillness, change, stillness};
pub(crate) use gate::{Admission, Gate, Waited};
pub(crate) use history::History;
pub use history::{Episode, Report, Verdict};
pub(crate) use limits::Limits;
pub(crate) use members::{Members, Membership, Numbers};
pub use operation::Operation;
pub(crate) use policy::Watched;
pub use policy::{Policy, Watch};

/// arc-swap publishes thin pointers; a trait object's is wide, hence this box.
pub(crate) struct Function(pub(crate) Box<dyn Recover>);

pub(crate) struct Connection {
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
    pub(crate) gate: Gate,
    pub(crate) members: Members,
    pub(crate) limits: Limits,
    pub(crate) history: History,
    pub(crate) policy: Box<Policy>,
    /// How often this process had forked when the connection was made.
    pub(crate) forks_before: u32,
    /// The connection whose verdict the holder of this one's gate is waiting for.
    pub(crate) awaits: ArcSwapOption<Connection>,
    function: ArcSwap<Function>,
    target: ArcSwapOption<Target>,
    traits: AtomicU8,
    known_size: AtomicU64,
    furthest_seek: AtomicU64,
    /// SO_RCVTIMEO and SO_SNDTIMEO in nanoseconds, as the application had set them when the last episode began; 0 for none.
    timeouts: [AtomicU64; 2],
}

const _: () = assert!(size_of::<Connection>() <= 512, "the memory budget of a connection");

const READ_SHUT: u8 = 1 << 0;
const WRITE_SHUT: u8 = 1 << 1;
const CONNECTED: u8 = 1 << 2;
const UNSYNCED: u8 = 1 << 3;
const LOCKED: u8 = 1 << 4;

/// What [`Connection::new`] has to be told.
pub(crate) struct Birth {
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
    pub(crate) members: Members,
    pub(crate) function: Box<dyn Recover>,
    pub(crate) policy: Policy,
    pub(crate) forks_before: u32,
    pub(crate) connected: bool,
    pub(crate) size: u64,
}

impl Connection {
    pub(crate) fn new(birth: Birth) -> Self {
        let target = birth.function.target().map(Arc::new);
        Self {
            identity: birth.identity,
            kind: birth.kind,
            gate: Gate::new(),
            members: birth.members,
            limits: Limits::unlimited(),
            history: History::default(),
            policy: Box::new(birth.policy),
            forks_before: birth.forks_before,
            awaits: ArcSwapOption::empty(),
            function: ArcSwap::from_pointee(Function(birth.function)),
            target: ArcSwapOption::new(target),
            traits: AtomicU8::new(if birth.connected { CONNECTED } else { 0 }),
            known_size: AtomicU64::new(birth.size),
            furthest_seek: AtomicU64::new(0),
            timeouts: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// The word of a member that joins now.
    pub(crate) fn live_word(&self, epoch: Epoch) -> Word {
        let word = Word::live(self.identity, self.kind, epoch);
        if self.policy.watch.is_some() { word.detoured() } else { word }
    }

    /// The recovery function; whoever has it keeps it, whatever replaces it meanwhile.
    pub(crate) fn function(&self) -> Arc<Function> {
        self.function.load_full()
    }

    /// Replaces the recovery function for all members. An episode that is open ends with the old one.
    pub(crate) fn replace_function(&self, function: Box<dyn Recover>, target: Option<Target>) {
        self.function.store(Arc::new(Function(function)));
        self.target.store(target.map(Arc::new));
    }

    /// The server that the recovery function goes to.
    pub(crate) fn target(&self) -> Option<Arc<Target>> {
        self.target.load_full()
    }

    /// The application has shut this direction down: what follows from that is not a death.
    pub(crate) fn note_shutdown(&self, how: Shutdown) {
        let shut = match how {
            Shutdown::Read => READ_SHUT,
            Shutdown::Write => WRITE_SHUT,
            Shutdown::Both => READ_SHUT | WRITE_SHUT,
        };
        // Relaxed: the caller's own later calls see it; nobody else has been told of the shutdown.
        self.traits.fetch_or(shut, Ordering::Relaxed);
    }

    /// What was so of the old description is not so of the new one: nothing is shut, nothing is synced.
    pub(crate) fn note_recovery(&self) {
        self.traits.fetch_and(!(READ_SHUT | WRITE_SHUT), Ordering::Relaxed);
        self.traits.fetch_or(CONNECTED | UNSYNCED, Ordering::Relaxed);
    }

    /// Whether what was written before a recovery has not been reported as perhaps lost; it is, now.
    pub(crate) fn take_unsynced(&self) -> bool {
        self.has(UNSYNCED) && self.traits.fetch_and(!UNSYNCED, Ordering::Relaxed) & UNSYNCED != 0
    }

    pub(crate) fn read_is_shut(&self) -> bool {
        self.has(READ_SHUT)
    }

    pub(crate) fn write_is_shut(&self) -> bool {
        self.has(WRITE_SHUT)
    }

    /// The application has connected the socket itself.
    pub(crate) fn note_connected(&self) {
        self.traits.fetch_or(CONNECTED, Ordering::Relaxed);
    }

    /// The application has set a lock on the file.
    pub(crate) fn note_locked(&self) {
        self.traits.fetch_or(LOCKED, Ordering::Relaxed);
    }

    /// Whether the application has ever set a lock on the file.
    pub(crate) fn was_locked(&self) -> bool {
        self.has(LOCKED)
    }

    /// Whether this socket ever had a peer.
    pub(crate) fn was_connected(&self) -> bool {
        self.has(CONNECTED)
    }

    fn has(&self, wanted: u8) -> bool {
        self.traits.load(Ordering::Relaxed) & wanted != 0
    }

    /// The largest size in bytes that the file is known to have had.
    pub(crate) fn known_size(&self) -> u64 {
        self.known_size.load(Ordering::Relaxed)
    }

    pub(crate) fn note_size(&self, size: u64) {
        self.known_size.fetch_max(size, Ordering::Relaxed);
    }

    /// The application has moved the offset itself.
    pub(crate) fn note_seek(&self, offset: u64) {
        if offset > self.furthest_seek.load(Ordering::Relaxed) {
            self.furthest_seek.fetch_max(offset, Ordering::Relaxed);
        }
    }

    /// The offset of the dead description. Beyond the furthest seek only written bytes have carried it, so they were
    /// acknowledged; up to there it says nothing.
    pub(crate) fn note_offset(&self, offset: u64) {
        if offset > self.furthest_seek.load(Ordering::Relaxed) {
            self.note_size(offset);
        }
    }

    /// Notes the timeouts that the application's socket has, before anything else changes them.
    pub(crate) fn note_timeouts(&self, receive: Option<Duration>, send: Option<Duration>) {
        for (noted, timeout) in self.timeouts.iter().zip([receive, send]) {
            let nanoseconds = timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
            // Relaxed: a waiter that comes too early for it is bounded by the policy alone.
            noted.store(nanoseconds, Ordering::Relaxed);
        }
    }

    pub(crate) fn receive_timeout(&self) -> Option<Duration> {
        timeout_of(&self.timeouts[0])
    }

    pub(crate) fn send_timeout(&self) -> Option<Duration> {
        timeout_of(&self.timeouts[1])
    }

    /// The application has truncated the file itself.
    pub(crate) fn forget_size_above(&self, size: u64) {
        self.known_size.fetch_min(size, Ordering::Relaxed);
    }

    /// The numbers as they are now.
    pub(crate) fn numbers(&self) -> Numbers {
        self.members.numbers(&change())
    }

    pub(crate) fn report(&self) -> Report {
        self.history.report(self.gate.look().0.generation())
    }
}

fn timeout_of(noted: &AtomicU64) -> Option<Duration> {
    match noted.load(Ordering::Relaxed) {
        0 => None,
        nanoseconds => Some(Duration::from_nanos(nanoseconds)),
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (epoch, claimed) = self.gate.look();
        out.debug_struct("Connection")
            .field("identity", &self.identity)
            .field("kind", &self.kind)
            .field("epoch", &epoch)
            .field("in an episode", &claimed)
            .finish_non_exhaustive()
    }
}
