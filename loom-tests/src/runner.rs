//! Explores models one after the other.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};

use crate::models::{self, Model};
use crate::sync;

/// Enough for every model here; one that needs more is taken for a loop without an end.
const LONGEST_EXECUTION: usize = 20_000;

/// Explores the models whose name contains `name`, and prints what that took. A model that fails ends the process.
pub(crate) fn run(name: &str) -> ExitCode {
    let chosen: Vec<_> = models::all().filter(|model| model.name().contains(name)).collect();
    if chosen.is_empty() {
        eprintln!("no model has a name that contains \"{name}\": `models list` lists them");
        return ExitCode::FAILURE;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["model", "preemptions", "executions", "seconds"]);
    let mut total = (0, Duration::ZERO);
    for model in chosen {
        let (executions, time) = explore(model);
        total = (total.0 + executions, total.1 + time);
        table.add_row([
            model.name(),
            model.preemptions.to_string(),
            executions.to_string(),
            format!("{:.2}", time.as_secs_f64()),
        ]);
    }
    table.add_row(["all".into(), String::new(), total.0.to_string(), format!("{:.2}", total.1.as_secs_f64())]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    ExitCode::SUCCESS
}

fn explore(model: &'static Model) -> (u64, Duration) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let begun = Instant::now();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(model.preemptions);
    builder.max_branches = LONGEST_EXECUTION;
    eprintln!("{} ...", model.name());
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        sync::begin();
        (model.body)();
        sync::end();
    });
    (executions.load(Ordering::Relaxed), begun.elapsed())
}
