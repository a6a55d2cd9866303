//! The gate: one claims, the others wait, and nobody sleeps for ever.
//!
//! A model's threads are one thread of the system, so nothing has to be Sync for std.

#![allow(clippy::arc_with_non_send_sync)]

use std::sync::Arc;

use crate::checker::UnsafeCell;

use super::models;
use crate::connection::{Admission, Gate, Waited};
use crate::sync::thread::{ThreadId, spawn};
use crate::sync::{clock, futex};
use crate::table::Epoch;

models! { "gate":
    the_second_failure_waits_for_the_first within 3,
    of_three_failures_one_recovers within 1,
    who_comes_after_the_verdict_does_not_sleep within 3,
    a_verdict_is_seen_with_all_that_led_to_it within 3,
    who_is_told_that_it_passed_sees_what_led_to_it within 3,
    giving_up_wakes_everyone within 1,
    a_wait_that_ends_at_its_deadline_leaves_the_gate_usable within 2,
    an_interrupted_waiter_leaves_the_others_asleep_until_the_verdict within 2,
    a_holder_knows_itself within 2,
    the_gate_of_a_dead_holder_is_taken_over_once within 2,
    holders_see_what_the_last_one_did within 3,
}

fn start() -> Epoch {
    Epoch::default()
}

fn me() -> ThreadId {
    ThreadId::current()
}

/// A gate, and what is changed by those who hold it only.
struct Guarded {
    gate: Gate,
    recoveries: UnsafeCell<u32>,
}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { gate: Gate::new(), recoveries: UnsafeCell::new(0) })
    }

    fn recover(&self) {
        // SAFETY: loom checks that nobody else is here.
        self.recoveries.with_mut(|count| unsafe { *count += 1 });
    }

    fn recoveries(&self) -> u32 {
        // SAFETY: loom checks that nobody changes it meanwhile.
        self.recoveries.with(|count| unsafe { *count })
    }

    /// What a call does that has failed in `captured`: returns how it was admitted.
    fn fail(&self, captured: Epoch) -> Admission {
        loop {
            match self.gate.claim(captured, me()) {
                Admission::Claimed => {
                    self.recover();
                    self.gate.open_at(captured.after_recovery(), me());
                    return Admission::Claimed;
                }
                Admission::Occupied => assert_eq!(self.gate.wait(None), Waited::Open),
                Admission::Passed(epoch) => return Admission::Passed(epoch),
            }
        }
    }
}

/// Both fail in one epoch: one recovers, the other one learns of it.
fn the_second_failure_waits_for_the_first() {
    let guarded = Guarded::new();
    let other = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.fail(start())
    });
    let admissions = [guarded.fail(start()), other.join()];
    assert!(admissions.contains(&Admission::Claimed));
    assert!(admissions.contains(&Admission::Passed(start().after_recovery())));
    assert_eq!(guarded.recoveries(), 1);
    assert!(!clock::has_moved());
}

/// The same with three, of whom two may sleep at once.
fn of_three_failures_one_recovers() {
    let guarded = Guarded::new();
    let others = [(); 2].map(|()| {
        let guarded = Arc::clone(&guarded);
        spawn(move || guarded.fail(start()))
    });
    let _ = guarded.fail(start());
    for other in others {
        let _ = other.join();
    }
    assert_eq!(guarded.recoveries(), 1);
}

/// The verdict may come between the look and the sleep.
fn who_comes_after_the_verdict_does_not_sleep() {
    let guarded = Guarded::new();
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
    let waiter = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.gate.wait(None)
    });
    guarded.gate.open_at(start().after_recovery(), me());
    assert_eq!(waiter.join(), Waited::Open);
}

/// Whoever waits or looks, and sees the new epoch, sees what the holder did before.
fn a_verdict_is_seen_with_all_that_led_to_it() {
    let guarded = Guarded::new();
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
    let waiter = spawn({
        let guarded = Arc::clone(&guarded);
        move || {
            assert_eq!(guarded.gate.wait(None), Waited::Open);
            assert_eq!(guarded.recoveries(), 1);
        }
    });
    let looker = spawn({
        let guarded = Arc::clone(&guarded);
        move || {
            if guarded.gate.look().0 == start().after_recovery() {
                assert_eq!(guarded.recoveries(), 1);
            }
        }
    });
    guarded.recover();
    guarded.gate.open_at(start().after_recovery(), me());
    waiter.join();
    looker.join();
}

/// A call that asks to recover and is told the new epoch uses the new connection at once.
fn who_is_told_that_it_passed_sees_what_led_to_it() {
    let guarded = Guarded::new();
    let holder = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.fail(start())
    });
    if guarded.fail(start()) != Admission::Claimed {
        assert_eq!(guarded.recoveries(), 1);
    }
    let _ = holder.join();
}

/// Two sleep; neither may be forgotten.
fn giving_up_wakes_everyone() {
    let guarded = Guarded::new();
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
    let waiters = [(); 2].map(|()| {
        let guarded = Arc::clone(&guarded);
        spawn(move || guarded.gate.wait(None))
    });
    guarded.gate.open_at(start().after_giving_up(), me());
    for waiter in waiters {
        assert_eq!(waiter.join(), Waited::Open);
    }
    assert_eq!(guarded.gate.look(), (start().after_giving_up(), false));
}

/// It leaves its mark in the state; the next failure must get past that.
fn a_wait_that_ends_at_its_deadline_leaves_the_gate_usable() {
    let guarded = Guarded::new();
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
    let waiter = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.gate.wait(Some(clock::Moment::after(std::time::Duration::from_secs(1))))
    });
    // Nobody opens it, so time passes.
    assert_eq!(waiter.join(), Waited::TimedOut);
    guarded.gate.open_at(start(), me());
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
}

/// A handler without SA_RESTART runs while others sleep on.
fn an_interrupted_waiter_leaves_the_others_asleep_until_the_verdict() {
    let guarded = Guarded::new();
    assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
    let waiter = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.gate.wait(None)
    });
    let interrupted = futex::interrupt_sleepers();
    guarded.gate.open_at(start().after_recovery(), me());
    let waited = waiter.join();
    assert_eq!(waited, if interrupted { Waited::Interrupted } else { Waited::Open });
}

/// A recovery function that calls on its own connection must not wait for itself, and nobody else may pass for it.
fn a_holder_knows_itself() {
    let guarded = Guarded::new();
    let other = spawn({
        let guarded = Arc::clone(&guarded);
        move || {
            let claimed = guarded.gate.claim(start(), me()) == Admission::Claimed;
            assert_eq!(guarded.gate.is_held_by(me()), claimed);
            claimed
        }
    });
    let claimed = guarded.gate.claim(start(), me()) == Admission::Claimed;
    assert_eq!(guarded.gate.is_held_by(me()), claimed);
    assert!(claimed != other.join());
}

/// Two waiters find that the holder is gone; one of them ends its episode, and the holder's own late end does nothing.
fn the_gate_of_a_dead_holder_is_taken_over_once() {
    let guarded = Guarded::new();
    let holder = spawn({
        let guarded = Arc::clone(&guarded);
        move || {
            assert_eq!(guarded.gate.claim(start(), me()), Admission::Claimed);
            me()
        }
    });
    let gone = holder.join();
    let end = move |guarded: &Guarded| {
        let taken = guarded.gate.take_over(gone, me());
        if taken {
            guarded.recover();
            guarded.gate.open_at(start().after_giving_up(), me());
        }
        taken
    };
    let other = spawn({
        let guarded = Arc::clone(&guarded);
        move || end(&guarded)
    });
    let mine = end(&guarded);
    assert!(mine != other.join());
    guarded.gate.open_at(start().after_recovery(), gone);
    assert_eq!(guarded.gate.look(), (start().after_giving_up(), false));
}

/// Episodes follow each other: what one holder changed, the next one may use.
fn holders_see_what_the_last_one_did() {
    let guarded = Guarded::new();
    let other = spawn({
        let guarded = Arc::clone(&guarded);
        move || guarded.fail(start())
    });
    // Whoever claims the next epoch comes after the holder of this one.
    if guarded.gate.claim(start().after_recovery(), me()) == Admission::Claimed {
        guarded.recover();
        guarded.gate.open_at(start().after_recovery().after_recovery(), me());
    }
    let _ = other.join();
}
