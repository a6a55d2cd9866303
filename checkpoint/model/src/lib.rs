//! Checkpoint sequences against a reference model.
//!
//! A [`Scenario`] says which nodes there are and what each function that runs records, reports and is answered. [`check`]
//! runs it as a sequence, plays it on the [reference](reference), and compares what ran: node after node, which function,
//! with which checkpoint and in which attempt, and how it ended. The same scenarios come from property tests and from a
//! fuzzer's bytes.

mod play;
mod reference;
mod scenario;

pub use play::check;
pub use scenario::Scenario;

#[cfg(test)]
mod tests;
