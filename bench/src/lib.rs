//! Nothing: the benchmarks are in `benches/`, one file per question, and a package must have a library to hold them.

/// The examples in the README compile: this package may name every other.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
