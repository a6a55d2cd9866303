//! The same door as core's `sync`, with loom behind it.
//!
//! What differs from the real thing:
//!
//! * An arc-swap is an atomic index into a list (see [`swap`]).
//! * The lock that fork waits for is nothing: a model has no fork, and a reader's lock orders nothing between readers.
//! * Time stands still while any thread can run. Only when all of them sleep does the earliest deadline pass.

#![allow(unused_imports, dead_code, unused_macros)]

mod atomic;
pub(crate) mod clock;
pub(crate) mod futex;
pub(crate) mod lock;
mod swap;
pub(crate) mod thread;

pub(crate) use crate::checker::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, fence};
pub(crate) use atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, OnceLock, Weak};

pub(crate) use swap::{ArcSwap, ArcSwapOption, ExclusivelyWritten};

/// For counts that are Relaxed wherever they are used: nothing that a model checks depends on their order.
pub(crate) mod unordered {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64};
}

macro_rules! process_wide {
    ($($(#[$note:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)*) => {
        crate::checker::lazy_static! { $($(#[$note])* pub(crate) static ref $name: $type = $value;)* }
    };
}
pub(crate) use process_wide;

macro_rules! models_thread_local {
    ($($(#[$note:meta])* static $name:ident: $type:ty = const $value:block;)*) => {
        crate::checker::thread_local! { $($(#[$note])* static $name: $type = $value;)* }
    };
}
pub(crate) use models_thread_local as thread_local;

process_wide! {
    static STEPS: crate::checker::sync::atomic::AtomicU32 = crate::checker::sync::atomic::AtomicU32::new(0);
    static DESCRIPTORS: crate::checker::sync::atomic::AtomicU32 = crate::checker::sync::atomic::AtomicU32::new(0);
}

/// A point at which any other thread may come in between: before an access to an atomic, or a system call that others
/// can observe.
pub(crate) fn step() {
    if thread::is_running() {
        STEPS.fetch_add(1, Ordering::Relaxed);
    }
}

/// A system call that changes the process's descriptors, or copies one: the kernel orders these, by a lock.
pub(crate) fn descriptors_change() {
    step();
    if thread::is_running() {
        DESCRIPTORS.fetch_add(1, Ordering::AcqRel);
    }
}

/// An execution begins, on the thread that calls this.
pub(crate) fn begin() {
    clock::begin();
    futex::begin();
    thread::begin();
}

/// The execution has ended: what is static in it is dropped after this.
pub(crate) fn end() {
    thread::end();
}
