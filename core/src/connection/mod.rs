//! The connection: the shared, reference-counted record of one open description and all its numbers.

mod change;
pub(crate) mod function;
mod gate;
mod history;
mod limits;
mod members;
mod policy;

use std::net::Shutdown;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::sync::{Arc, AtomicU8, AtomicU64, Ordering};
use crate::table::{Epoch, Identity, Kind, Target, Word};
use function::Recover;

pub(crate) use change::{Stillness, change, stillness};
pub(crate) use gate::{Admission, Gate, Waited};
pub(crate) use history::History;
pub use history::{Episode, Report, Verdict};
pub(crate) use limits::Limits;
pub(crate) use members::{Members, Numbers};
pub(crate) use policy::{ErrnoSet, Policy, Watched};

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
    pub(crate) target: Option<Target>,
    /// How often this process had forked when the connection was made.
    pub(crate) forks_before: u32,
    /// The connection whose verdict the holder of this one's gate is waiting for.
    pub(crate) awaits: ArcSwapOption<Connection>,
    function: ArcSwap<Function>,
    traits: AtomicU8,
    known_size: AtomicU64,
}

const _: () = assert!(size_of::<Connection>() <= 512, "the memory budget of a connection");

const READ_SHUT: u8 = 1 << 0;
const WRITE_SHUT: u8 = 1 << 1;
const CONNECTED: u8 = 1 << 2;

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
        let target = birth.function.target();
        Self {
            identity: birth.identity,
            kind: birth.kind,
            gate: Gate::new(),
            members: birth.members,
            limits: Limits::unlimited(),
            history: History::default(),
            policy: Box::new(birth.policy),
            target,
            forks_before: birth.forks_before,
            awaits: ArcSwapOption::empty(),
            function: ArcSwap::from_pointee(Function(birth.function)),
            traits: AtomicU8::new(if birth.connected { CONNECTED } else { 0 }),
            known_size: AtomicU64::new(birth.size),
        }
    }

    /// The word of a member that joins now.
    pub(crate) fn live_word(&self, epoch: Epoch) -> Word {
        Word::live(self.identity, self.kind, epoch)
    }

    /// The recovery function; whoever has it keeps it, whatever replaces it meanwhile.
    pub(crate) fn function(&self) -> Arc<Function> {
        self.function.load_full()
    }

    /// Replaces the recovery function for all members. An episode that is open ends with the old one.
    pub(crate) fn replace_function(&self, function: Box<dyn Recover>) {
        self.function.store(Arc::new(Function(function)));
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

    pub(crate) fn read_is_shut(&self) -> bool {
        self.has(READ_SHUT)
    }

    pub(crate) fn write_is_shut(&self) -> bool {
        self.has(WRITE_SHUT)
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
