//! Runs the models, and the mutants that they must kill.

include!(concat!(env!("OUT_DIR"), "/core.rs"));

mod bugs;
mod models;
mod mutants;
mod mutation;
mod runner;
mod sync;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Concurrency models of libha's core.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explores every interleaving of the models, within their bounds.
    Run {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        name: String,
    },
    /// Lets each mutant live, one at a time, until a model fails; those that survive fail the run.
    Mutants {
        /// Only those whose name or place contains this.
        #[arg(default_value = "")]
        name: String,
    },
    /// Lists the models.
    List,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { name } => runner::run(&name),
        Command::Mutants { name } => mutation::run(&name),
        Command::List => {
            models::all().for_each(|model| println!("{}", model.name()));
            ExitCode::SUCCESS
        }
    }
}
