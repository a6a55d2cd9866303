//! Core's own sources under a virtual clock, for checks that must be repeatable to the millisecond.
//!
//! `table`, `connection` and `recover` are compiled word for word from core. Only `sync` is this crate's: time stands
//! still unless somebody sleeps or waits, and a wait that nobody could end is an error instead of a hang.
//!
//! A [`Scenario`] says what happens to a connection and what its recovery function answers; [`check`] plays it on the
//! engine, with real descriptors, and compares what is seen after every event with what a small [reference](reference)
//! expects: results, attempts and when they began, counts, and the clock. The same scenarios come from seeds (tests) and
//! from a fuzzer's bytes.

include!(concat!(env!("OUT_DIR"), "/core.rs"));

mod play;
mod reference;
mod scenario;
mod sync;

pub use play::{Played, check};
pub use scenario::Scenario;

#[cfg(test)]
mod tests;
