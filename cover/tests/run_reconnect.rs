//! `ha run --reconnect`: connections that died between two requests are healed, and otherwise the program sees what it would have
//! seen without libha.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reconnect;
mod support;
