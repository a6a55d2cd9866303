//! The gates that this thread holds: it is inside their recovery functions, the innermost last.
//!
//! A recovery function works on the number that it is to repair, as if nobody else could see it. So while it runs, this
//! thread's own calls on a member are led to the description that the function has *staged* so far, and the number
//! itself keeps the dead one until the transplant.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use smallvec::SmallVec;

use crate::connection::Connection;
use crate::sync::{Arc, AtomicU32, Ordering, process_wide, thread_local};
use crate::table::Identity;

/// How deep recovery functions may recover other connections.
const DEEPEST: usize = 8;

/// A number that nothing is open under.
const CLOSED: RawFd = -1;

struct Held {
    connection: Arc<Connection>,
    /// The number that the recovery function is called with.
    number: RawFd,
    stage: Stage,
}

/// What the recovery function has done to the number so far.
enum Stage {
    /// Nothing: it stands for the dead description.
    Untouched,
    /// It has closed the number; the next descriptor that it makes gets it if it is the lowest free one.
    Closed,
    Staged(OwnedFd),
}

thread_local! {
    /// Lent out for moments only. Who finds it lent out is a signal handler in between, and holds nothing.
    ///
    /// Without a destructor: streams are flushed when this thread's have run, and that may recover. It is empty then, and never on
    /// the heap.
    static HELD: RefCell<ManuallyDrop<SmallVec<[Held; DEEPEST]>>> =
        const { RefCell::new(ManuallyDrop::new(SmallVec::new_const())) };
}

process_wide! {
    /// How many gates are held in this process, so that who holds none need not look at its own list.
    static HOLDINGS: AtomicU32 = AtomicU32::new(0);
}

/// While it lives, the thread is known to hold this connection's gate.
#[derive(Debug)]
pub(crate) struct Holding(());

impl Holding {
    /// None when too many recoveries are nested already.
    pub(crate) fn begin(connection: &Arc<Connection>, number: RawFd) -> Option<Self> {
        HELD.try_with(|held| {
            let mut held = held.try_borrow_mut().ok()?;
            (held.len() < DEEPEST).then(|| {
                held.push(Held { connection: Arc::clone(connection), number, stage: Stage::Untouched });
                // Relaxed: only this thread relies on it, and it sees its own addition.
                HOLDINGS.fetch_add(1, Ordering::Relaxed);
                Self(())
            })
        })
        .ok()
        .flatten()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        HOLDINGS.fetch_sub(1, Ordering::Relaxed);
        // A thread that is ending has nothing to take back. What was staged is closed outside of the borrow.
        let ended = HELD.try_with(|held| held.try_borrow_mut().ok().and_then(|mut held| held.pop()));
        drop(ended);
    }
}

/// Whether this thread holds no gate, as nearly every thread.
pub(crate) fn is_nothing() -> bool {
    // Relaxed: see `begin`.
    HOLDINGS.load(Ordering::Relaxed) == 0
        || HELD.try_with(|held| held.try_borrow().is_ok_and(|held| held.is_empty())).unwrap_or(true)
}

/// Calls `visit` for each connection whose gate this thread holds.
pub(crate) fn each_held(visit: impl FnMut(&Arc<Connection>)) {
    if is_nothing() {
        return;
    }
    let connections: Option<SmallVec<[Arc<Connection>; 1]>> = HELD
        .try_with(|held| Some(held.try_borrow().ok()?.iter().map(|held| Arc::clone(&held.connection)).collect()))
        .ok()
        .flatten();
    connections.iter().flatten().for_each(visit);
}

/// The connection that this thread recovers under `number`; of several, the innermost.
pub(crate) fn recovered_under(number: RawFd) -> Option<Identity> {
    HELD.try_with(|held| {
        let held = held.try_borrow().ok()?;
        held.iter().rev().find(|held| held.number == number).map(|held| held.connection.identity)
    })
    .ok()
    .flatten()
}

/// What the holder's calls on `number`, a member of the connection, are issued on.
pub(crate) fn standing_for(connection: Identity, number: RawFd) -> RawFd {
    with(connection, |held| match &held.stage {
        Stage::Untouched => number,
        Stage::Closed => CLOSED,
        Stage::Staged(staged) => staged.as_raw_fd(),
    })
    .unwrap_or(number)
}

/// Puts a description aside for the transplant, instead of what was there. False: this thread does not hold the gate.
pub(crate) fn stage(connection: Identity, description: OwnedFd) -> bool {
    let replaced = with(connection, |held| std::mem::replace(&mut held.stage, Stage::Staged(description)));
    // What it replaces is closed outside of the borrow.
    replaced.is_some()
}

/// The recovery function closes the number that it is to repair. False: it is another one, or this thread does not hold
/// the gate.
pub(crate) fn close(connection: Identity, number: RawFd) -> bool {
    let replaced =
        with(connection, |held| (held.number == number).then(|| std::mem::replace(&mut held.stage, Stage::Closed)));
    replaced.flatten().is_some()
}

/// Takes what has been staged.
pub(crate) fn take_staged(connection: Identity) -> Option<OwnedFd> {
    match with(connection, |held| std::mem::replace(&mut held.stage, Stage::Untouched)) {
        Some(Stage::Staged(staged)) => Some(staged),
        _ => None,
    }
}

/// The number, and its connection, that the kernel would have given out in place of `made`, had a recovery function
/// of this thread really closed what it believes to have closed.
pub(crate) fn lowest_closed_below(made: RawFd) -> Option<(Identity, RawFd)> {
    if is_nothing() {
        return None;
    }
    HELD.try_with(|held| {
        let held = held.try_borrow().ok()?;
        let closed = held.iter().filter(|held| matches!(held.stage, Stage::Closed) && held.number < made);
        closed.min_by_key(|held| held.number).map(|held| (held.connection.identity, held.number))
    })
    .ok()
    .flatten()
}

/// Lends out what this thread knows of `connection`; None when it does not hold its gate.
fn with<R>(connection: Identity, change: impl FnOnce(&mut Held) -> R) -> Option<R> {
    HELD.try_with(|held| {
        let mut held = held.try_borrow_mut().ok()?;
        held.iter_mut().find(|held| held.connection.identity == connection).map(change)
    })
    .ok()
    .flatten()
}
