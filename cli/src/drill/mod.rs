//! `ha drill`: real servers, killed under covered connections; every byte checked.
//!
//! | file | what it knows |
//! |---|---|
//! | `options` | what a drill can be told |
//! | `course` | one transport after another, from the first server start to the report |
//! | `scene`, `beat` | what the threads of one transport share; what each of them is doing |
//! | `server_process`, `killer` | a server in its own process; when it dies |
//! | `stream`, `fifo`, `files` | the clients, by kind of connection |
//! | `client` | what they call: libha's Rust API or plain libc |
//! | `lines` | all connections with their threads, until their accounts are drawn |
//! | `accounts` | what the clients make of what servers say |
//! | `strangers` | who moves in where a dup was closed |
//! | `window`, `ledger`, `journal`, `episodes` | what is outstanding, answered, written, recovered |
//! | `broken_pipe` | the signal that must not come |
//! | `watchdog`, `cleanup` | threads that hang; mounts and directories that must not stay |
//! | `progress`, `report`, `summary` | what is shown meanwhile and at the end |

mod accounts;
mod beat;
mod broken_pipe;
mod cleanup;
mod client;
mod course;
mod episodes;
mod fifo;
mod files;
mod journal;
mod killer;
mod ledger;
mod lines;
mod options;
mod progress;
mod report;
mod scene;
mod server_process;
mod strangers;
mod stream;
mod summary;
mod watchdog;
mod window;

pub(crate) use course::run;
pub(crate) use options::{Options, Sabotage, Transport};
pub(crate) use server_process::READY;

/// What the servers have to know about their clients.
pub(crate) mod wire {
    pub(crate) use super::fifo::{SIZE, answers, requests};
    pub(crate) use super::files::{DATA, DATA_KEY, DATA_SIZE, journal_name};
    pub(crate) use super::stream::ANSWER_PAYLOAD;
}
