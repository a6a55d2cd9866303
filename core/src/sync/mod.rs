//! The only door to atomics, locks, futexes, clocks and thread identities.
//!
//! Everything that makes an execution nondeterministic is named here and nowhere else, so that a model checker can
//! put its own versions in place of these without a change to the code that uses them.

pub(crate) mod clock;
pub(crate) mod futex;
pub(crate) mod lock;
pub(crate) mod thread;

pub(crate) use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Arc, OnceLock, Weak};
pub(crate) use std::thread_local;

pub(crate) use arc_swap::{ArcSwap, ArcSwapOption};

/// Declares what exists once in a process: a static, which a model makes anew for each execution.
macro_rules! process_wide {
    ($($(#[$note:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$note])* $visibility static $name: $type = $value;)*
    };
}
pub(crate) use process_wide;
