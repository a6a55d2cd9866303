//! Waiting for another thread's verdict: for how long, until what, and never in a circle.

use std::time::Duration;

use super::{claim, held};
use crate::connection::{Connection, Waited};
use crate::kernel::cancel_here;
use crate::sync::clock::Moment;
use crate::sync::thread::ThreadId;
use crate::sync::{Arc, Ordering, fence};
use crate::table::Table;

/// How a wait for a verdict ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// The gate is open.
    Come,
    TimedOut,
    Interrupted,
    /// It would never come: its holder waits, through others, for this thread.
    Circular,
}

/// After each slice of waiting the waiter looks whether the holder still lives.
const SLICE: Duration = Duration::from_secs(1);
/// A wait longer than this is reported, once.
const LONG: Duration = Duration::from_secs(10);

/// The longest chain of waiting connections that is followed.
const LONGEST_CHAIN: usize = 64;

/// How often a waiter looks whether it has been cancelled: a thread that waits for a futex is not told.
const CANCELLABLE_SLICE: Duration = Duration::from_millis(50);

/// How long a call waits, and what may end its wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) until: Option<Moment>,
    /// A signal handler without SA_RESTART.
    pub(crate) interruptible: bool,
    /// pthread_cancel.
    pub(crate) cancellable: bool,
}

impl Patience {
    pub(crate) const ENDLESS: Self = Self { until: None, interruptible: false, cancellable: false };
}

/// Waits until `connection`'s gate is open.
pub(crate) fn for_verdict(table: &Table<Connection>, connection: &Arc<Connection>, patience: &Patience) -> Verdict {
    let Patience { until, interruptible, cancellable } = *patience;
    let _announced = Announced::waiting_for(connection);
    if would_be_circular(connection) {
        return Verdict::Circular;
    }
    let started = Moment::now();
    let mut reported = false;
    loop {
        if cancellable {
            cancel_here();
        }
        let slice = Moment::after(if cancellable { CANCELLABLE_SLICE } else { SLICE });
        let end = until.map_or(slice, |until| until.min(slice));
        match connection.gate.wait(Some(end)) {
            Waited::Open => return Verdict::Come,
            Waited::Interrupted if interruptible => return Verdict::Interrupted,
            Waited::Interrupted => {}
            Waited::TimedOut if until.is_some_and(Moment::has_passed) => return Verdict::TimedOut,
            Waited::TimedOut => claim::end_if_holder_is_gone(table, connection),
        }
        if !reported && started.elapsed() > LONG {
            reported = true;
            tracing::warn!(target: "ha", connection = ?connection.identity, "waiting for a verdict for more than 10 s");
        }
    }
}

/// While it lives, the connections whose gates this thread holds say whom it waits for.
struct Announced;

impl Announced {
    fn waiting_for(connection: &Arc<Connection>) -> Self {
        held::each_held(|mine| mine.awaits.store(Some(Arc::clone(connection))));
        Self
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        held::each_held(|mine| mine.awaits.store(None));
    }
}

/// Follows the chain of holders from `connection` and tells whether it comes back to this thread.
fn would_be_circular(connection: &Arc<Connection>) -> bool {
    let me = ThreadId::current();
    if connection.gate.is_held_by(me) {
        // A signal handler that has interrupted the recovery, before or after the recovery function.
        return true;
    }
    if held::is_nothing() {
        return false;
    }
    // SeqCst [circle]: pairs with itself in another thread. Of two threads that are about to wait for each other, each has
    // announced itself before its fence and reads the other's announcement after it. If our fence comes first, the other
    // one sees our announcement; if theirs does, we see theirs. So at least one of them sees the circle.
    fence(Ordering::SeqCst);
    let mut next = Arc::clone(connection);
    for _ in 0..LONGEST_CHAIN {
        let Some(awaited) = next.awaits.load_full() else { return false };
        if awaited.gate.is_held_by(me) {
            return true;
        }
        next = awaited;
    }
    // A circle without this thread, or a chain that changes while it is followed: somebody else's to find.
    false
}
