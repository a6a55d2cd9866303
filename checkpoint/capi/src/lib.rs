//! libcheckpoint: HAFTA's checkpoint sequences for C programs, a thin layer over ha-checkpoint.
//!
//! ```text
//! HC_NewSequence(list) ──> list: entries, checked ──> functions: nodes of ha-checkpoint ──┐
//! HC_CallSequence(...) ──> handle: claimed by one thread ──> Sequence::run <──────────────┘
//!                                                               │ a node's C function
//! HC_NormalSuccess(...), HC_RollBackPrev(...) ──> desk <────────┘ what it says, until it returns
//! ```
//!
//! See `include/checkpoint.h` for the documentation of the C side. `HC_Panic` is variadic, and therefore in `c/panic.c`.

mod desk;
mod functions;
mod handle;
pub mod interface;
mod list;
mod observer;
pub mod values;

use std::ffi::{c_long, c_ulong};

/// A sequence of C functions. Node numbers are as wide as what is reported, since any report may name a node.
type Sequence = ha_checkpoint::Sequence<c_long, handle::Call, c_long, c_ulong>;
