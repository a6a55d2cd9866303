//! `ha_test_at_every_step`: lets a test in C make anything happen at each step of an episode.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ha_core::number::{Step, at_every_step};

/// Gets the step, from 0 (the gate is claimed) to 6 (a call is about to be issued again), and the number it is about, or -1.
type Hook = unsafe extern "C-unwind" fn(c_int, c_int);

static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Calls `hook` at every step that any thread reaches from now on; NULL for none.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ha_test_at_every_step(hook: Option<Hook>) {
    HOOK.store(hook.map_or(ptr::null_mut(), |hook| hook as *mut ()), Ordering::Release);
    at_every_step(reached);
}

fn reached(step: Step) {
    let (step, number) = match step {
        Step::Claimed => (0, -1),
        Step::Busy => (1, -1),
        Step::Obtained => (2, -1),
        Step::Moving(number) => (3, number),
        Step::Moved(number) => (4, number),
        Step::Settled => (5, -1),
        Step::Retrying(number) => (6, number),
    };
    let hook = HOOK.load(Ordering::Acquire);
    if !hook.is_null() {
        // SAFETY: stored from a function of this type.
        let hook = unsafe { std::mem::transmute::<*mut (), Hook>(hook) };
        // SAFETY: the test's own function.
        unsafe { hook(step, number) };
    }
}
