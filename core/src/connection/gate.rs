//! The gate: one thread recovers a connection, everybody else waits for its verdict.
//!
//! ```text
//!  31                    2     1        0
//! +-----------------------+---------+---------+
//! |         epoch         | WAITERS | CLAIMED |
//! +-----------------------+---------+---------+
//!          30 bits
//! ```
//!
//! What callers are promised:
//!
//! * **One episode, one holder.** A claim names the epoch that the failed call captured. It is granted only if the
//!   gate still stands at that epoch and is not claimed; so of all the calls that failed in one epoch exactly one
//!   gets it, and a call that comes after the verdict learns that the epoch has moved on.
//! * **A verdict is seen with all that led to it.** Opening the gate releases, claiming and looking acquire: who sees
//!   the new epoch sees the transplanted numbers' words as well.
//! * **Nobody sleeps for ever.** A waiter sets WAITERS before it sleeps on the state that says so; the holder reads
//!   WAITERS in the same exchange that opens the gate. Either it sees the bit and wakes everyone, or the waiter's
//!   sleep is refused because the state has changed.

use crate::sync::clock::Moment;
use crate::sync::futex::{self, Woken};
use crate::sync::thread::ThreadId;
use crate::sync::{AtomicU32, Ordering};
use crate::table::Epoch;

const CLAIMED: u32 = 1 << 0;
const WAITERS: u32 = 1 << 1;
const EPOCH_SHIFT: u32 = 2;

const _: () = assert!(EPOCH_SHIFT + Epoch::BITS == u32::BITS, "the fields fill the state");

#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicU32,
    holder: AtomicU32,
}

/// What the gate says to a call that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admission {
    /// The caller holds the gate: it recovers, and it opens the gate.
    Claimed,
    /// Somebody else does: wait.
    Occupied,
    /// The verdict has come: this is the epoch now.
    Passed(Epoch),
}

/// Why a wait at the gate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Waited {
    /// The gate is open.
    Open,
    TimedOut,
    Interrupted,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU32::new(0), holder: AtomicU32::new(0) }
    }

    /// The epoch the connection has come to, and whether an episode is open.
    pub(crate) fn look(&self) -> (Epoch, bool) {
        // Acquire [verdict]: pairs with Release [verdict] in `open_at`.
        let state = self.state.load(Ordering::Acquire);
        (epoch_of(state), is_claimed(state))
    }

    /// Asks to recover from a failure of a call that captured `captured`.
    pub(crate) fn claim(&self, captured: Epoch, caller: ThreadId) -> Admission {
        let idle = captured.bits() << EPOCH_SHIFT;
        let mut state = idle;
        loop {
            // Acquire [verdict]: pairs with Release [verdict] in `open_at`: the holder sees what the last one did.
            match self.state.compare_exchange_weak(state, state | CLAIMED, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    // Relaxed: read only by this thread, by its copy in a child, and by who checks whether it lives.
                    self.holder.store(caller.as_raw(), Ordering::Relaxed);
                    return Admission::Claimed;
                }
                Err(now) if is_claimed(now) => return Admission::Occupied,
                Err(now) if epoch_of(now) != captured => return Admission::Passed(epoch_of(now)),
                // A spurious failure, or WAITERS left over from waiters who have timed out.
                Err(now) => state = now,
            }
        }
    }

    /// Whether `thread` holds the gate. Only the holder itself can rely on a yes.
    pub(crate) fn is_held_by(&self, thread: ThreadId) -> bool {
        // Relaxed: a thread sees its own stores; what it sees of others' is never equal to its own identity.
        self.holder.load(Ordering::Relaxed) == thread.as_raw()
    }

    /// Who holds the gate, while it is claimed. None also for the instant in which the holder has not signed yet.
    pub(crate) fn holder(&self) -> Option<ThreadId> {
        ThreadId::from_raw(self.holder.load(Ordering::Relaxed))
    }

    /// Opens the gate at `epoch`: the verdict, or the old epoch when the holder leaves without one. Only the holder can:
    /// for anybody else, a holder whose gate was taken over included, this does nothing.
    pub(crate) fn open_at(&self, epoch: Epoch, caller: ThreadId) {
        let signed_off = self.holder.compare_exchange(caller.as_raw(), 0, Ordering::Relaxed, Ordering::Relaxed);
        if signed_off.is_err() {
            return;
        }
        // Release [verdict]: pairs with Acquire [verdict] in `look`, `claim` and `wait`. It also keeps the store
        // above from being seen after the next holder's.
        let before = self.state.swap(epoch.bits() << EPOCH_SHIFT, Ordering::Release);
        if before & WAITERS != 0 {
            futex::wake_all(&self.state);
        }
    }

    /// In a forked child, where no other thread exists: makes `caller` the holder, whoever it was.
    pub(crate) fn seize(&self, caller: ThreadId) {
        self.holder.store(caller.as_raw(), Ordering::Relaxed);
    }

    /// Takes the gate over from a holder that has ended without opening it. False: somebody else did, or it opened.
    #[must_use]
    pub(crate) fn take_over(&self, from: ThreadId, caller: ThreadId) -> bool {
        // Relaxed: nothing was released with the holder's name, and its end is ordered by what told the caller of it.
        self.holder.compare_exchange(from.as_raw(), caller.as_raw(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Waits until no episode is open, or until `until`, or until a signal handler without SA_RESTART has run.
    pub(crate) fn wait(&self, until: Option<Moment>) -> Waited {
        // Acquire [verdict]: pairs with Release [verdict] in `open_at`; so do the loads below.
        let mut state = self.state.load(Ordering::Acquire);
        while is_claimed(state) {
            if state & WAITERS == 0 {
                // Relaxed on success: the bit carries nothing but itself, in the same word.
                match self.state.compare_exchange(state, state | WAITERS, Ordering::Relaxed, Ordering::Acquire) {
                    Ok(_) => state |= WAITERS,
                    Err(now) => {
                        state = now;
                        continue;
                    }
                }
            }
            match futex::wait(&self.state, state, until) {
                Woken::Changed => state = self.state.load(Ordering::Acquire),
                Woken::TimedOut => return Waited::TimedOut,
                Woken::Interrupted => return Waited::Interrupted,
            }
        }
        Waited::Open
    }
}

fn is_claimed(state: u32) -> bool {
    state & CLAIMED != 0
}

fn epoch_of(state: u32) -> Epoch {
    Epoch::from_bits(state >> EPOCH_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn start() -> Epoch {
        Epoch::default()
    }

    fn me() -> ThreadId {
        ThreadId::current()
    }

    #[test]
    fn of_many_failures_in_one_epoch_exactly_one_claims() {
        let gate = Gate::new();
        let claims: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| gate.claim(start(), me()) == Admission::Claimed)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(claims, 1);
    }

    #[test]
    fn a_call_that_comes_after_the_verdict_learns_it_without_sleeping() {
        let gate = Gate::new();
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
        gate.open_at(start().after_recovery(), me());
        assert_eq!(gate.claim(start(), me()), Admission::Passed(start().after_recovery()));
        assert_eq!(gate.wait(None), Waited::Open);
    }

    #[test]
    fn a_holder_that_leaves_without_a_verdict_lets_the_next_one_in() {
        let gate = Gate::new();
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
        gate.open_at(start(), me());
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
    }

    #[test]
    fn everyone_who_waits_is_woken_by_the_verdict() {
        let gate = Gate::new();
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..8).map(|_| scope.spawn(|| gate.wait(None))).collect();
            while gate.state.load(Ordering::Relaxed) & WAITERS == 0 {
                std::thread::yield_now();
            }
            gate.open_at(start().after_giving_up(), me());
            assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == Waited::Open));
        });
        assert_eq!(gate.look(), (start().after_giving_up(), false));
    }

    #[test]
    fn a_holder_whose_gate_was_taken_over_cannot_open_it() {
        let gate = Gate::new();
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
        let other = std::thread::scope(|scope| scope.spawn(me).join().unwrap());
        assert!(gate.take_over(me(), other));
        gate.open_at(start().after_recovery(), me());
        assert_eq!(gate.look(), (start(), true));
    }

    #[test]
    fn a_waiter_gives_up_at_its_deadline() {
        let gate = Gate::new();
        assert_eq!(gate.claim(start(), me()), Admission::Claimed);
        assert_eq!(gate.wait(Some(Moment::after(Duration::from_millis(5)))), Waited::TimedOut);
        assert!(gate.is_held_by(me()));
    }

    #[test]
    fn the_gate_of_a_thread_that_has_ended_can_be_taken_over_once() {
        let gate = Gate::new();
        let gone = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    assert_eq!(gate.claim(start(), me()), Admission::Claimed);
                    me()
                })
                .join()
                .unwrap()
        });
        assert_eq!(gate.holder(), Some(gone));
        assert!(gate.take_over(gone, me()));
        assert!(!gate.take_over(gone, me()));
        gate.open_at(start().after_giving_up(), me());
        assert_eq!(gate.wait(None), Waited::Open);
    }
}
