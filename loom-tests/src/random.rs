//! Runs the model that is too large to explore, in orders that are drawn by lot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::models::churn;
use crate::sync;

/// Enough for every execution here; one that needs more is taken for a loop without an end.
const LONGEST_EXECUTION: usize = 1_000_000;
/// The engine's frames are larger than those of a model's usual thread.
const STACK: usize = 1 << 18;
/// How many changes of priority hide a bug of the other kind of schedule, which lets one thread run for long.
const DEPTH: usize = 4;

/// Runs as many executions from this seed on; the first that fails is named.
pub(crate) fn run(seed: u64, executions: u64) -> ExitCode {
    let begun = Instant::now();
    let mut all = churn::Seen::default();
    for seed in seed..seed.saturating_add(executions) {
        let Ok(seen) = catch_unwind(AssertUnwindSafe(|| execute(seed))) else {
            eprintln!("seed {seed} fails; `loom-tests/random {seed} 1` runs it alone");
            return ExitCode::FAILURE;
        };
        all += seen;
    }
    println!("{executions} executions from seed {seed} in {:.1} s: {all}", begun.elapsed().as_secs_f64());
    // Threads that never meet a dead server would find nothing.
    if all.recoveries * 2 > executions { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn execute(seed: u64) -> churn::Seen {
    if seed.is_multiple_of(2) {
        run_under(RandomScheduler::new_from_seed(seed, 1))
    } else {
        run_under(PctScheduler::new_from_seed(seed, DEPTH, 1))
    }
}

fn run_under(scheduler: impl Scheduler + 'static) -> churn::Seen {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.max_steps = MaxSteps::FailAfter(LONGEST_EXECUTION);
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(|| {
        sync::begin();
        churn::model();
        sync::end();
    });
    churn::take_seen()
}
