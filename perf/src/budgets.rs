//! Budgets, and who has kept them.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Args;
use ha_bench::library::Library;
use serde::Deserialize;

use crate::figures::{Figure, Unit};
use crate::installation::Installation;
use crate::{instructions, listing, memory, program, ratios, recovery};

#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// The budgets.
    #[arg(long, value_name = "FILE", default_value = "perf/budgets.toml")]
    budgets: PathBuf,
    /// How many rounds the ratios are measured in.
    #[arg(long, value_name = "N", default_value_t = 30)]
    rounds: usize,
    /// How often everything is measured as long as nothing but ratios of times is broken. Noise passes, what is slower stays.
    #[arg(long, value_name = "N", default_value_t = 3)]
    tries: u32,
}

/// What a figure may be at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    figure: String,
    at_most: f64,
    /// What noise may add.
    #[serde(default)]
    margin: f64,
    /// The one kind of processor on which the figure is measured.
    only: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    budget: Vec<Budget>,
}

/// Whether a budget is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    No,
    /// Nobody has measured the figure, so nobody can say.
    Unknown,
}

impl Budget {
    pub(crate) fn kept(&self, figures: &[Figure]) -> Kept {
        match self.find(figures) {
            None => Kept::Unknown,
            // A time says more of the machine than of libha.
            Some(figure) if figure.unit.is_time() => Kept::Unknown,
            // A figure that is no number keeps nothing.
            Some(figure) if figure.value <= self.at_most + self.margin => Kept::Yes,
            Some(_) => Kept::No,
        }
    }

    fn applies(&self) -> bool {
        self.only.as_ref().is_none_or(|processor| processor == std::env::consts::ARCH)
    }

    fn is_of_a_ratio(&self, figures: &[Figure]) -> bool {
        self.find(figures).is_some_and(|figure| figure.unit == Unit::Times)
    }

    fn find<'a>(&self, figures: &'a [Figure]) -> Option<&'a Figure> {
        figures.iter().find(|figure| figure.name == self.figure)
    }

    fn line(&self, figures: &[Figure]) -> String {
        let figure = self.find(figures);
        let unit = figure.map_or(Unit::Count, |figure| figure.unit);
        let limit = Figure::new("", self.at_most, unit).shown();
        let mut line = format!("{}: ", self.figure);
        let found = figure.map_or_else(|| "not measured".into(), Figure::shown);
        let _ = write!(line, "{found}, at most {limit}");
        if self.margin > 0.0 {
            let _ = write!(line, " and {} of noise", self.margin);
        }
        line
    }
}

fn read(text: &str) -> io::Result<Vec<Budget>> {
    let budgets: Budgets = toml::from_str(text).map_err(io::Error::other)?;
    for budget in &budgets.budget {
        if !(budget.at_most.is_finite() && budget.margin.is_finite() && budget.margin >= 0.0) {
            return Err(io::Error::other(format!("{}: no budget can be like this", budget.figure)));
        }
    }
    Ok(budgets.budget)
}

pub(crate) fn check(options: &Options) -> io::Result<ExitCode> {
    let text = std::fs::read_to_string(&options.budgets)
        .map_err(|why| io::Error::new(why.kind(), format!("{}: {why}", options.budgets.display())))?;
    let budgets = read(&text)?;
    let path = options.installation.library()?;
    let library = Library::load(&path)?;
    // In this order: memory before anything is allocated, and threads last, as they cannot be undone.
    let mut figures = memory::figures(&library)?;
    figures.push(program::size(&path)?);
    figures.extend(listing::figures(&path)?);
    figures.extend(ratios::figures(&library, "single-threaded", options.rounds)?);
    ha_bench::become_multithreaded();
    figures.extend(ratios::figures(&library, "with threads", options.rounds)?);
    figures.extend(recovery::ratios(options.rounds)?);
    figures.extend(instructions::of_calls(&path)?);
    figures.push(instructions::of_start(&path)?);

    let (mut broken, mut broken_ratios) = (0, 0);
    let budgets: Vec<_> = budgets.iter().filter(|budget| budget.applies()).collect();
    for budget in &budgets {
        let kept = budget.kept(&figures);
        broken += usize::from(kept != Kept::Yes);
        broken_ratios += usize::from(kept == Kept::No && budget.is_of_a_ratio(&figures));
        println!("{} {}", if kept == Kept::Yes { "ok    " } else { "BROKEN" }, budget.line(&figures));
    }
    println!("{} budgets, {broken} broken", budgets.len());
    if broken > 0 && broken == broken_ratios && options.tries > 1 {
        return check_again(options.tries - 1);
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// In a new process, as this one has had threads.
fn check_again(tries: u32) -> io::Result<ExitCode> {
    println!("\nonly ratios of times are broken, which may be noise: measuring again");
    let mut again = Command::new(std::env::current_exe()?);
    let status = again.args(std::env::args_os().skip(1)).arg("--tries").arg(tries.to_string()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(margin: f64) -> Budget {
        Budget { figure: "a call".into(), at_most: 9.0, margin, only: None }
    }

    fn measured(value: f64) -> [Figure; 1] {
        [Figure::new("a call", value, Unit::Instructions)]
    }

    #[test]
    fn a_figure_may_be_as_large_as_its_budget_and_the_noise() {
        assert_eq!(budget(0.0).kept(&measured(9.0)), Kept::Yes);
        assert_eq!(budget(0.0).kept(&measured(10.0)), Kept::No);
        assert_eq!(budget(1.0).kept(&measured(10.0)), Kept::Yes);
    }

    #[test]
    fn what_was_not_measured_or_is_no_number_keeps_no_budget() {
        assert_eq!(budget(0.0).kept(&[]), Kept::Unknown);
        assert_eq!(budget(0.0).kept(&measured(f64::NAN)), Kept::No);
    }

    #[test]
    fn a_time_keeps_no_budget() {
        assert_eq!(budget(0.0).kept(&[Figure::new("a call", 1.0, Unit::Nanoseconds)]), Kept::Unknown);
    }

    #[test]
    fn the_line_that_broke_says_what_was_found_and_what_was_allowed() {
        assert_eq!(budget(0.0).line(&measured(12.0)), "a call: 12 instructions, at most 9 instructions");
    }

    #[test]
    fn the_stored_budgets_can_be_read() {
        assert!(!read(include_str!("../budgets.toml")).unwrap().is_empty());
    }
}
