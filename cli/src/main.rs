//! `ha`: the command that comes with libha.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod drill;
mod frames;
mod record;
mod run;
mod serve;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// File descriptors that outlive the server behind them.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Drill(drill::Options),
    Run(run::Options),
    #[command(hide = true)]
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse().unwrap_or_else(|error| run::refuse(&error)).command {
        Command::Drill(options) => drill::run(&options),
        Command::Run(options) => Ok(run::run(&options)),
        Command::Serve(options) => serve::run(&options),
    };
    outcome.unwrap_or_else(complain)
}

fn complain(error: io::Error) -> ExitCode {
    // Whoever closed our output early does not want to hear about it.
    if error.kind() != io::ErrorKind::BrokenPipe {
        eprintln!("ha: {error}");
    }
    ExitCode::FAILURE
}
