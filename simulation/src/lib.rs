//! Core's own sources under a virtual clock, for checks that must be repeatable to the millisecond; and what the fuzzers
//! and the property tests share: typed operations, each with a model that it is compared with after every step.
//!
//! `table`, `connection` and `recover` are compiled word for word from core. Only `sync` is this crate's: time stands
//! still unless somebody sleeps or waits, and a wait that nobody could end is an error instead of a hang.
//!
//! | what is checked | against what | by |
//! |---|---|---|
//! | the engine: results, attempts and when they began, counts, the clock | a reference of a page | [`engine::check`] |
//! | the table: words, entries, targets, the list of what is covered | a map | [`table_script::check`] |
//! | the word: fields and predicates after every transition | an enum | [`word_script::check`] |

include!(concat!(env!("OUT_DIR"), "/core.rs"));

mod bytes;
pub mod engine;
mod sync;
pub mod table_script;
pub mod word_script;

pub use bytes::all;
