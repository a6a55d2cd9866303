//! `ha serve`: the servers that a drill kills. Hidden, because nobody else needs them.
//!
//! A server says `ready` on its standard output as soon as clients can reach it, or else why they never will.

mod answers;
mod fifo;
mod fuse;
mod mischief;
mod stream;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::drill::{READY, Sabotage, Transport};

/// Serves one transport of a drill until it is killed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to serve
    #[arg(long, value_enum)]
    over: Transport,
    /// Where: an address, a socket, a directory or a mountpoint
    #[arg(long)]
    at: String,
    /// Where mischief comes from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many servers there were before, plus one
    #[arg(long, default_value_t = 1)]
    incarnation: u64,
    /// How many connections there will be
    #[arg(long, default_value_t = 1)]
    connections: u32,
    /// The process without which this one does not want to live
    #[arg(long)]
    parent: i32,
    /// Where files are kept
    #[arg(long)]
    store: Option<PathBuf>,
    /// How to misbehave
    #[arg(long, value_enum)]
    sabotage: Option<Sabotage>,
}

/// Serves, and does not return unless it cannot.
pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    die_with_parent(options)?;
    let served = match options.over {
        Transport::Tcp => stream::over_tcp(options),
        Transport::Unix => stream::over_unix(options),
        Transport::Fifo => fifo::serve(options),
        Transport::Fuse => fuse::serve(options),
    };
    if let Err(error) = served {
        say(&error.to_string())?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells whoever started this server that it can be used.
fn ready() -> io::Result<()> {
    say(READY)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn die_with_parent(options: &Options) -> io::Result<()> {
    // A file server unmounts before it goes; the others have nothing to put in order.
    let signal = if options.over == Transport::Fuse { Signal::TERM } else { Signal::KILL };
    set_parent_process_death_signal(Some(signal))?;
    // It may have died before it could be noticed.
    if getppid() == Pid::from_raw(options.parent) {
        Ok(())
    } else {
        Err(io::Error::other("the drill that this server belongs to is gone"))
    }
}
