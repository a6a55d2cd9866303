//! The engine: from a failed call to its verdict.
//!
//! [`call()`] is where every covered call passes. What it cannot wave through it judges ([`death`]), and if the
//! connection is dead it either waits for somebody's verdict ([`waiting`]) or opens an [`episode`], whose result is put
//! under every number by the [`transplant`].

mod call;
mod claim;
mod death;
mod descriptor;
mod episode;
pub(crate) mod fork;
pub(crate) mod held;
mod membership;
mod outcome;
mod request;
#[cfg_attr(not(feature = "steps"), allow(unreachable_pub))]
pub(crate) mod step;
mod transplant;
mod waiting;

pub(crate) use call::{call, call_with, check};
pub(crate) use death::is_writable;
pub(crate) use membership::{attach, detach, duplicate, replace};
pub use outcome::Outcome;
pub(crate) use outcome::take as take_outcome;
pub use request::{InRegister, Request};

use crate::connection::Connection;
use crate::sync::process_wide;
use crate::table::Table;

process_wide! {
    /// The table of this process. There is one, because numbers are the process's.
    pub(crate) static TABLE: Table<Connection> = Table::new();
}

#[cfg(test)]
mod tests;
