//! The steps of an episode, so that a test can make anything happen at any of them.

use std::os::fd::RawFd;

/// A point that the holder of a gate, or a call that waits, has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The gate is claimed; no member knows yet.
    Claimed,
    /// Every member's word says BUSY.
    Busy,
    /// The recovery function has returned a description.
    Obtained,
    /// This member's word says MOVING; its description is still the old one.
    Moving(RawFd),
    /// This member has the new description; its word still says MOVING.
    Moved(RawFd),
    /// Every member has settled; the gate is still closed.
    Settled,
    /// A call is about to be issued again on this number, and has not looked whether the number is still ours.
    Retrying(RawFd),
}

#[cfg(not(any(test, feature = "steps")))]
#[inline]
pub(crate) fn reached(_: Step) {}

#[cfg(all(not(test), feature = "steps"))]
pub use process_wide::at_every_step;
#[cfg(all(not(test), feature = "steps"))]
pub(crate) use process_wide::reached;

/// For tests from outside: one hook for all threads.
#[cfg(all(not(test), feature = "steps"))]
mod process_wide {
    use super::Step;
    use crate::sync::OnceLock;

    static HOOK: OnceLock<fn(Step)> = OnceLock::new();

    /// Calls `hook` at every step that any thread reaches from now on. The first hook stays.
    pub fn at_every_step(hook: fn(Step)) {
        HOOK.get_or_init(|| hook);
    }

    pub(crate) fn reached(step: Step) {
        if let Some(hook) = HOOK.get() {
            hook(step);
        }
    }
}

#[cfg(test)]
pub(crate) use hook::{at_every_step, reached};

#[cfg(test)]
mod hook {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::Step;

    type Hook = Rc<dyn Fn(Step)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `hook` at every step that this thread reaches while `body` runs.
    pub(crate) fn at_every_step<R>(hook: impl Fn(Step) + 'static, body: impl FnOnce() -> R) -> R {
        HOOK.set(Some(Rc::new(hook)));
        let result = body();
        HOOK.set(None);
        result
    }

    pub(crate) fn reached(step: Step) {
        let hook = HOOK.try_with(|hook| hook.borrow().clone()).ok().flatten();
        if let Some(hook) = hook {
            hook(step);
        }
    }
}
