//! The functions of QNX's library: `ha_attach` and the others. `include/ha` documents them for who calls them.
//!
//! # Safety
//!
//! Paths are strings, streams are open, and recovery functions keep the rules of `ha/cover.h`: the caller's part.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc)]

pub mod attach;
pub mod control;
pub mod coverage;
pub mod descriptors;
pub mod function;
#[cfg(feature = "steps")]
pub mod steps;
pub mod streams;

use std::ffi::c_int;

use ha_core::rustix::io::Errno;

/// 0, or -1 and `errno`.
fn done(result: Result<(), Errno>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(errno) => crate::returned::failed(errno),
    }
}
