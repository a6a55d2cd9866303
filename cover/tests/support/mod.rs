//! What the end-to-end tests stand on: libha and C programs are built, run, and ended again.

#![allow(dead_code, unused_imports, unused_macros, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod build;
pub(crate) mod examples;
pub(crate) mod headers;
pub(crate) mod mounts;
pub(crate) mod nap;
pub(crate) mod program;
pub(crate) mod scenarios;
pub(crate) mod skip;
pub(crate) mod subject;
pub(crate) mod symbols;

pub(crate) use build::{compile, ha, library, linked, shared};
pub(crate) use program::{Ended, Program, Running};
pub(crate) use skip::skipped;
