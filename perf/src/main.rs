//! `ha-perf`: what libha costs, measured, explained and held against its budgets.
//!
//! | module | measures |
//! |---|---|
//! | [`instructions`] | instructions of a call and of a program's start, by callgrind: the same on every run |
//! | [`listing`] | what the compiled success path consists of |
//! | [`ratios`] | time against libc's call, interleaved in one process |
//! | [`latency`] | percentiles of single calls |
//! | [`memory`] | bytes a slot and a connection |
//! | [`program`] | the library's size, what it adds to a program's start, unmodified programs under `ha run` |
//! | [`recovery`] | from the death to the call that has come through, by hand and by libha |
//! | [`storm`] | thousands of connections whose server restarts |
//!
//! [`budgets`] judges the figures, [`plots`] and [`page`] show them.

mod budgets;
mod calls;
mod figures;
mod installation;
mod instructions;
mod latency;
mod listing;
mod memory;
mod page;
mod plots;
mod program;
mod ratios;
mod recovery;
mod report;
mod serve;
mod storm;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Figures of libha: measured, explained, plotted, and held against budgets.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compares what can be told in a quarter of a minute with the budgets, and fails with the lines that broke.
    Check(budgets::Options),
    /// Measures everything, and writes a page with all figures and plots.
    Report(report::Options),
    #[command(hide = true)]
    Calls(calls::Options),
    #[command(hide = true)]
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check(options) => budgets::check(&options),
        Command::Report(options) => report::write(&options).map(|()| ExitCode::SUCCESS),
        Command::Calls(options) => calls::make(&options).map(|()| ExitCode::SUCCESS),
        Command::Serve(options) => serve::run(&options).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|why: io::Error| {
        eprintln!("ha-perf: {why}");
        ExitCode::FAILURE
    })
}
