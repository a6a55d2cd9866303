//! What the benchmarks and `ha-perf` compare: ways to move bytes, and tables of numbers.
//!
//! | module | has |
//! |---|---|
//! | [`contender`] | the ways: the plain call, libha's covers, its Rust API, and what one would write instead |
//! | [`tables`] | the tables that one would look a number up in |
//! | [`library`] | libha.so, loaded beside libc instead of in front of it, so that both are called in one process |
//! | [`places`] | what is written to and read from |
//! | [`recovery`] | connections that die, recovered by libha and by hand |

pub mod contender;
pub mod library;
pub mod places;
pub mod recovery;
pub mod tables;

use std::io;
use std::time::Duration;

use criterion::Criterion;

/// How all benchmarks are measured.
#[must_use]
pub fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(30)
        .without_plots()
        .configure_from_args()
}

/// Turns this process into one with threads, as far as libc is concerned: it stays one when the thread has ended.
pub fn become_multithreaded() {
    // A thread that panicked was a thread as well.
    let _ = std::thread::spawn(|| {}).join();
}

/// Fails unless a contender has given this answer: what does not do the work is not timed.
///
/// # Errors
///
/// Says who answered what.
pub fn verify<T: PartialEq + std::fmt::Debug>(who: &str, answer: &T, right: &T) -> io::Result<()> {
    if answer == right {
        return Ok(());
    }
    Err(io::Error::other(format!("{who}: {answer:?} where {right:?} is right")))
}

/// The examples in the README compile: this package may name every other.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
