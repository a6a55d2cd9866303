//! A futex that orders nothing: what a waiter sees after it was woken, it sees by its own loads.
//!
//! The kernel compares and enqueues in one step, under a lock that wake takes as well. Here that step is an addition of
//! nothing (which, unlike a load, reads the newest value) and what follows it up to the next access of an atomic.

use std::cell::RefCell;

use super::clock::{self, Moment};
use super::thread::{self, ThreadId};
use super::{AtomicU32, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Woken {
    Changed,
    TimedOut,
    Interrupted,
}

struct Sleeper {
    thread: ThreadId,
    word: *const AtomicU32,
    until: Option<Moment>,
    woken: Option<Woken>,
}

thread_local! {
    // All threads of a model share one thread of the system, hence this.
    static SLEEPERS: RefCell<Vec<Sleeper>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn wait(word: &AtomicU32, expected: u32, until: Option<Moment>) -> Woken {
    if word.fetch_add(0, Ordering::Relaxed) != expected {
        return Woken::Changed;
    }
    let me = ThreadId::current();
    SLEEPERS.with_borrow_mut(|sleepers| sleepers.push(Sleeper { thread: me, word, until, woken: None }));
    loop {
        if let Some(woken) = take_if_woken(me) {
            return woken;
        }
        let sleeping = SLEEPERS.with_borrow(|sleepers| sleepers.iter().filter(|one| one.woken.is_none()).count());
        if thread::nobody_can_run(sleeping) {
            time_passes();
        }
        crate::checker::thread::yield_now();
    }
}

pub(crate) fn wake_all(word: &AtomicU32) {
    // A step of its own: others may come in between the change of the word and this.
    let _ = word.fetch_add(0, Ordering::Relaxed);
    wake(Woken::Changed, |sleeper| std::ptr::eq(sleeper.word, word));
}

/// A signal handler without SA_RESTART runs on every thread that sleeps. False: nobody does.
pub(crate) fn interrupt_sleepers() -> bool {
    super::step();
    wake(Woken::Interrupted, |_| true)
}

fn wake(reason: Woken, who: impl Fn(&Sleeper) -> bool) -> bool {
    SLEEPERS.with_borrow_mut(|sleepers| {
        let mut any = false;
        for sleeper in sleepers.iter_mut().filter(|sleeper| sleeper.woken.is_none() && who(sleeper)) {
            sleeper.woken = Some(reason);
            any = true;
        }
        any
    })
}

fn take_if_woken(me: ThreadId) -> Option<Woken> {
    SLEEPERS.with_borrow_mut(|sleepers| {
        let position = sleepers.iter().position(|sleeper| sleeper.thread == me)?;
        let woken = sleepers[position].woken?;
        sleepers.swap_remove(position);
        Some(woken)
    })
}

/// The earliest deadline of all comes.
fn time_passes() {
    let earliest = SLEEPERS.with_borrow(|sleepers| sleepers.iter().filter_map(|sleeper| sleeper.until).min());
    let Some(moment) = earliest else { panic!("lost wake-up: everybody sleeps, and nobody will ever wake them") };
    clock::passes(moment);
    wake(Woken::TimedOut, |sleeper| sleeper.until == Some(moment));
}

/// An execution begins.
pub(crate) fn begin() {
    SLEEPERS.with_borrow_mut(Vec::clear);
}
