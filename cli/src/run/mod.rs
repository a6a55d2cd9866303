//! `ha run`: an unmodified program with libha in front of libc.
//!
//! | file | what it knows |
//! |---|---|
//! | `options` | what `ha run` can be told |
//! | `launch` | the steps from the command line to the program; the exit statuses |
//! | `library` | where libha.so is |
//! | `search` | which file a program name means |
//! | `program`, `script`, `elf`, `privilege` | whether libha can cover that file: the rules, and what each file says |
//! | `environment` | what libha.so is told |
//! | `reopen`, `reconnect` | patterns and addresses as libha.so compares them |
//! | `inherited` | signals as they were before this process touched them |

mod elf;
mod environment;
mod inherited;
mod launch;
mod library;
mod options;
mod privilege;
mod program;
mod reconnect;
mod reopen;
mod script;
mod search;

pub(crate) use launch::{refuse, run};
pub(crate) use options::Options;
