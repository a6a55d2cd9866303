//! Random sequences of calls of the C library against a model. A fuzzer plays the same scripts.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod library;
mod model;
mod operation;
mod script;
#[path = "../support/mod.rs"]
mod support;

use arbitrary::Unstructured;
use library::Library;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_call_returns_and_changes_what_the_headers_promise(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let operations = ha_simulation::all(&mut Unstructured::new(&bytes)).unwrap_or_default();
        script::check(&Library::open(support::library()), &operations);
    }
}
