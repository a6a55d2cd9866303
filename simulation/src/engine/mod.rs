//! What happens to connections and what their recovery functions answer, played on the engine with real descriptors, and
//! compared after every event with what a small reference expects.
//!
//! The same scenarios come from seeds (the tests) and from a fuzzer's bytes.

mod play;
mod reference;
mod scenario;
mod server;

pub use play::{Played, check};
pub use scenario::Scenario;

#[cfg(test)]
mod tests;
