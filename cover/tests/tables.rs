//! The parts of `stdio::tables` that change nothing of this process.
#![allow(dead_code, unsafe_code)]

#[path = "../src/stdio/tables.rs"]
mod tables;
