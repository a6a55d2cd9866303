//! What the tests stand on: libcheckpoint and C programs are built, run, and ended again, as for libha.

#![allow(dead_code, unused_imports, unused_macros, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../../cover/tests/support/build.rs"]
pub(crate) mod build;
#[path = "../../../../cover/tests/support/examples.rs"]
pub(crate) mod examples;
#[path = "../../../../cover/tests/support/headers.rs"]
pub(crate) mod headers;
#[path = "../../../../cover/tests/support/nap.rs"]
pub(crate) mod nap;
#[path = "../../../../cover/tests/support/program.rs"]
pub(crate) mod program;
#[path = "../../../../cover/tests/support/scenarios.rs"]
pub(crate) mod scenarios;
#[path = "../../../../cover/tests/support/skip.rs"]
pub(crate) mod skip;
pub(crate) mod subject;
#[path = "../../../../cover/tests/support/symbols.rs"]
pub(crate) mod symbols;

pub(crate) use build::{compile, library, linked, shared};
pub(crate) use program::{Ended, Program, Running};
pub(crate) use skip::skipped;
