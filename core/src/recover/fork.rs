//! What fork does to episodes, and what the table does about it.
//!
//! An episode may take seconds, so fork does not wait for it (it waits for [changes](crate::connection::change) only).
//! In the child an episode that the forking thread holds goes on; any other is given up, as its holder was not copied,
//! and the next failure there opens a new one. The parent's episodes go on as if nothing had happened.
//!
//! A child made by vfork, clone or `_Fork` runs no handlers. It is known by its process id, and libha stands aside:
//! calls pass straight through, nothing is written.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::ManuallyDrop;

use super::claim;
use crate::connection::{Connection, Stillness, stillness};
use crate::sync::thread::{ThreadId, process_id};
use crate::sync::{AtomicU32, OnceLock, Ordering, process_wide, thread_local};
use crate::table::Table;

process_wide! {
    /// The process that the table belongs to; 0 until something is covered.
    static PROCESS: AtomicU32 = AtomicU32::new(0);
    /// How often this process, and those it was forked from, have forked, or tried to: the handlers are not told which.
    static FORKS: AtomicU32 = AtomicU32::new(0);
    /// The table whose episodes are taken care of.
    static TABLE: OnceLock<&'static Table<Connection>> = OnceLock::new();
}

thread_local! {
    /// Without a destructor: a program may fork when this thread's have run (in atexit), and registering one would allocate.
    static FORKING: Cell<Option<ManuallyDrop<Forking>>> = const { Cell::new(None) };
}

struct Forking {
    thread: ThreadId,
    _still: Stillness,
}

/// Whether this is another process than the table's: a child that has run no fork handlers.
pub(crate) fn is_another_process() -> bool {
    // Relaxed: written before the first thing is covered, and in a child before it has a second thread.
    let owner = PROCESS.load(Ordering::Relaxed);
    owner != 0 && owner != process_id()
}

pub(crate) fn count() -> u32 {
    // Relaxed: a statistic of this thread's own past.
    FORKS.load(Ordering::Relaxed)
}

/// Makes fork take care of `table`. Only the first call has an effect: there is one table in a process.
///
/// Not before something is covered: the handlers may allocate, so an allocator's own (jemalloc registers them when it starts) must
/// lock after ours before the fork, and unlock before ours after it. POSIX runs those of the last to come first, and last.
pub(crate) fn take_care_of(table: &'static Table<Connection>) {
    TABLE.get_or_init(|| {
        PROCESS.store(process_id(), Ordering::Relaxed);
        // SAFETY: the handlers live as long as the process; they do not unwind, and do not fork.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        table
    });
}

extern "C" fn before() {
    let forking = Forking { thread: ThreadId::current(), _still: stillness() };
    FORKS.fetch_add(1, Ordering::Relaxed);
    FORKING.with(|slot| slot.set(Some(ManuallyDrop::new(forking))));
}

extern "C" fn in_parent() {
    drop(FORKING.with(Cell::take).map(ManuallyDrop::into_inner));
}

extern "C" fn in_child() {
    PROCESS.store(process_id(), Ordering::Relaxed);
    let forker = FORKING.with(Cell::take).map(|forking| ManuallyDrop::into_inner(forking).thread);
    if let (Some(forker), Some(table)) = (forker, TABLE.get()) {
        adopt(table, forker);
    }
}

/// Keeps the forking thread's own episodes, gives up those of threads that were not copied.
fn adopt(table: &Table<Connection>, forker: ThreadId) {
    let me = ThreadId::current();
    for (number, _) in table.covered() {
        let Some((_, connection)) = table.lookup(number) else { continue };
        let (_, claimed) = connection.gate.look();
        if claimed && !connection.gate.is_held_by(me) && !connection.gate.take_over(forker, me) {
            claim::end_for_missing_holder(table, &connection);
        }
    }
}
