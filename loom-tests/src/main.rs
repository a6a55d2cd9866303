//! Runs the models, and the mutants that they must kill.

include!(concat!(env!("OUT_DIR"), "/core.rs"));

#[cfg_attr(feature = "random", allow(dead_code))]
mod bugs;
mod checker;
mod models;
mod mutants;
#[cfg(not(feature = "random"))]
mod mutation;
#[cfg(feature = "random")]
mod random;
#[cfg(not(feature = "random"))]
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
#[cfg(feature = "random")]
enum Command {
    /// Lets many threads run in an order that is drawn by lot.
    Random {
        /// Of the first execution; each next one has the next seed.
        #[arg(default_value_t = fastrand::u64(..u64::from(u32::MAX)))]
        seed: u64,
        /// How many.
        #[arg(default_value_t = 2000)]
        executions: u64,
    },
}

#[derive(Subcommand)]
#[cfg(not(feature = "random"))]
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
        #[cfg(feature = "random")]
        Command::Random { seed, executions } => random::run(seed, executions),
        #[cfg(not(feature = "random"))]
        Command::Run { name } => runner::run(&name),
        #[cfg(not(feature = "random"))]
        Command::Mutants { name } => mutation::run(&name),
        #[cfg(not(feature = "random"))]
        Command::List => {
            models::all().for_each(|model| println!("{}", model.name()));
            ExitCode::SUCCESS
        }
    }
}
