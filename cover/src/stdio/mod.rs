//! stdio from underneath: covers that stand in libc's jump tables.
//!
//! stdio does not call `write` by name, and when the write under a FILE fails it throws the buffer away. So recovery happens
//! under the FILE: `tables` finds the places where libc keeps the functions of a FILE's descriptor, `slots` are the functions that
//! are put there, and `patched` does it. A program that is linked statically needs none of this: there the linker leads what
//! stdio calls to the covers (`linked`).

#[cfg(feature = "static")]
mod linked;
#[cfg(not(feature = "static"))]
mod patched;
#[cfg(not(feature = "static"))]
mod slots;
#[cfg(not(feature = "static"))]
mod tables;

#[cfg(feature = "static")]
pub(crate) use linked::{is_covered, refusal, start};
#[cfg(not(feature = "static"))]
pub(crate) use patched::{is_covered, refusal, start};
