//! The same door as core's `sync`, with a clock and a futex of the simulation's own.

#![allow(unused_imports, dead_code)]

pub(crate) mod clock;
pub(crate) mod futex;
#[path = "../../../core/src/sync/lock.rs"]
pub(crate) mod lock;
#[path = "../../../core/src/sync/thread.rs"]
pub(crate) mod thread;

pub(crate) use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Arc, OnceLock, Weak};
pub(crate) use std::thread_local;

pub(crate) use arc_swap::{ArcSwap, ArcSwapOption};

macro_rules! process_wide {
    ($($(#[$note:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$note])* $visibility static $name: $type = $value;)*
    };
}
pub(crate) use process_wide;
