//! Lets mutants live, one at a time, each in processes of its own.

use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use comfy_table::{Table, presets};

use crate::ORDERINGS;
use crate::bugs::BUGS;
use crate::models::{self, Model};
use crate::mutants::name_of_ordering;

/// A model that takes longer under a mutant than this has not noticed it.
const LONGEST: Duration = Duration::from_secs(20);

struct Candidate {
    /// What HA_MUTANT is set to.
    key: String,
    /// What the table says: where, and what becomes of what.
    row: [String; 4],
    file: String,
}

/// Runs every mutant whose name or place contains `name`, and prints which model killed it.
pub(crate) fn run(name: &str) -> ExitCode {
    let chosen: Vec<_> = candidates().filter(|one| one.row[0].contains(name) || one.key.contains(name)).collect();
    if chosen.is_empty() {
        eprintln!("no mutant has a name or a place that contains \"{name}\"");
        return ExitCode::FAILURE;
    }
    let killers: Vec<_> = chosen.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(candidate) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let killer = killer_of(candidate);
                    eprintln!("{}: {}", candidate.row.join(", "), killer.as_deref().unwrap_or("SURVIVES"));
                    if let Some(position) = chosen.iter().position(|one| one.key == candidate.key) {
                        *killers[position].lock().expect("nobody panics with it") = killer;
                    }
                }
            });
        }
    });
    report(&chosen, killers.into_iter().map(|killer| killer.into_inner().expect("nobody panics with it")))
}

fn candidates() -> impl Iterator<Item = Candidate> {
    let orderings = ORDERINGS.iter().enumerate().map(|(index, (place, edge, from, to))| Candidate {
        key: name_of_ordering(index),
        row: [(*place).into(), (*edge).into(), (*from).into(), (*to).into()],
        file: place.split(' ').next().unwrap_or_default().into(),
    });
    let bugs = BUGS.iter().map(|bug| Candidate {
        key: bug.name.into(),
        row: [format!("{} {}", bug.file, bug.name), "logic".into(), String::new(), String::new()],
        file: bug.file.into(),
    });
    orderings.chain(bugs)
}

/// The first model that fails; those of the same structure are asked first.
fn killer_of(candidate: &Candidate) -> Option<String> {
    let structure = |model: &&Model| !candidate.file.contains(model.structure);
    let mut models: Vec<_> = models::all().collect();
    models.sort_by_key(structure);
    models.into_iter().map(Model::name).find(|model| kills(model, &candidate.key))
}

fn kills(model: &str, mutant: &str) -> bool {
    let this = std::env::current_exe().expect("the system knows what runs");
    let mut child = Command::new(this)
        .args(["run", model])
        .env("HA_MUTANT", mutant)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program can be started again");
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return !status.success();
        }
        if begun.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn report(chosen: &[Candidate], killers: impl Iterator<Item = Option<String>>) -> ExitCode {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["mutant", "edge", "weakened from", "to", "killed by"]);
    let mut survivors = 0;
    for (candidate, killer) in chosen.iter().zip(killers) {
        survivors += usize::from(killer.is_none());
        let killer = killer.unwrap_or_else(|| "SURVIVES".into());
        table.add_row(candidate.row.iter().cloned().chain([killer]));
    }
    println!("{table}");
    println!("{} mutants, {} killed, {survivors} survived", chosen.len(), chosen.len() - survivors);
    if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
