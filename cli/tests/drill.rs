//! Short drills over each transport pass, and the drill notices servers that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const HA: &str = env!("CARGO_BIN_EXE_ha");

fn drill(arguments: &str) -> Output {
    Command::new(HA).arg("drill").args(arguments.split_whitespace()).output().unwrap()
}

/// The library of this source tree. No package can depend on one that only C can link, so Cargo has to be asked.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--package", "ha-cover", "--target-dir"]).arg(target);
    assert!(build.status().unwrap().success(), "ha-cover cannot be built");
    target.join("debug/libha.so")
});

/// A drill whose clients call libc, with that library in front.
fn drill_libc(arguments: &str) -> Output {
    let mut command = Command::new(HA);
    command.args(["run", "--lib"]).arg(&*LIBRARY).args(["--", HA, "drill", "--client", "libc"]);
    command.args(arguments.split_whitespace()).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {output:?}"))
}

/// The outcome over the only transport; `None` when this machine does not offer it.
fn only(report: &Value) -> Option<&Value> {
    let outcome = &report["transports"][0];
    if let Some(reason) = outcome["skipped"].as_str() {
        assert_eq!(outcome["transport"], "fuse", "only FUSE may be unavailable: {reason}");
        eprintln!("skipped: {reason}");
        return None;
    }
    Some(outcome)
}

/// Seeds, kills and connections are few, so that the whole file takes seconds.
fn passes(transport: &str) {
    check_passed(&drill(&format!("--over {transport} --kills 12 --threads 2 --dups 2 --seed 7 --json")));
}

/// With enough dups that each way to hold a number has its turn.
fn passes_with_libc(transport: &str) {
    let output = drill_libc(&format!("--over {transport} --kills 12 --threads 2 --dups 5 --seed 7 --json"));
    let report = report(&output);
    assert_eq!(report["client"], "libc", "{report:#}");
    assert!(report["repeat"].as_str().unwrap().contains(" --client libc "), "{report:#}");
    check_passed(&output);
}

fn check_passed(output: &Output) {
    let report = report(output);
    let Some(outcome) = only(&report) else { return };
    assert!(output.status.success(), "{report:#}");
    assert_eq!(outcome["kills"], 12, "{report:#}");
    assert!(outcome["recoveries"].as_u64() > Some(0), "{report:#}");
    assert!(outcome["calls"].as_u64() > Some(0), "{report:#}");
    for none in ["lost", "duplicated", "corrupted"] {
        assert_eq!(outcome[none], 0, "{none}: {report:#}");
    }
}

/// Under sabotage a drill has to fail, find what the server did, and say how to repeat it.
fn notices(transport: &str, sabotage: &str, finding: &str) {
    notices_by(drill, transport, sabotage, finding);
}

fn notices_by(drill: fn(&str) -> Output, transport: &str, sabotage: &str, finding: &str) {
    let output =
        drill(&format!("--over {transport} --kills 4 --threads 1 --dups 2 --seed 7 --json --sabotage {sabotage}"));
    let report = report(&output);
    let Some(outcome) = only(&report) else { return };
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert!(outcome[finding].as_u64() > Some(0), "{finding}: {report:#}");
    let repeat = report["repeat"].as_str().unwrap();
    assert!(repeat.starts_with(&format!("ha drill --over {transport} ")) && repeat.contains("--seed 7"), "{repeat}");
}

#[test]
fn tcp_connections_survive_their_server() {
    passes("tcp");
}

#[test]
fn unix_connections_survive_their_server() {
    passes("unix");
}

#[test]
fn fifos_survive_their_server() {
    passes("fifo");
}

#[test]
fn files_survive_their_server() {
    passes("fuse");
}

#[test]
fn a_wrong_byte_in_an_answer_is_found() {
    notices("tcp", "corrupt", "corrupted");
}

#[test]
fn an_answer_that_never_comes_is_found() {
    notices("unix", "lose", "lost");
}

#[test]
fn an_answer_that_comes_twice_is_found() {
    notices("tcp", "duplicate", "duplicated");
}

#[test]
fn answers_that_cannot_be_recognised_on_a_fifo_are_found() {
    notices("fifo", "corrupt", "corrupted");
}

#[test]
fn an_answer_that_comes_twice_on_a_fifo_is_found() {
    notices("fifo", "duplicate", "duplicated");
}

#[test]
fn wrong_bytes_in_a_file_are_found() {
    notices("fuse", "corrupt", "corrupted");
}

#[test]
fn a_record_missing_in_a_file_is_found() {
    notices("fuse", "lose", "lost");
}

#[test]
fn a_record_written_twice_to_a_file_is_found() {
    notices("fuse", "duplicate", "duplicated");
}

#[test]
fn tcp_connections_that_libc_is_called_on_survive_their_server() {
    passes_with_libc("tcp");
}

#[test]
fn unix_connections_that_libc_is_called_on_survive_their_server() {
    passes_with_libc("unix");
}

#[test]
fn fifos_that_libc_is_called_on_survive_their_server() {
    passes_with_libc("fifo");
}

#[test]
fn files_that_libc_is_called_on_survive_their_server() {
    passes_with_libc("fuse");
}

#[test]
fn clients_that_call_libc_find_what_servers_do_wrong() {
    notices_by(drill_libc, "unix", "corrupt", "corrupted");
    notices_by(drill_libc, "fifo", "duplicate", "duplicated");
    notices_by(drill_libc, "fuse", "lose", "lost");
}

#[test]
fn without_the_library_a_drill_of_libc_says_how_to_get_it() {
    let directory = tempfile::tempdir().unwrap();
    let alone = directory.path().join("bin/ha");
    fs::create_dir(alone.parent().unwrap()).unwrap();
    fs::copy(HA, &alone).unwrap();
    let output = Command::new(alone).args(["drill", "--client", "libc"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("cargo build --release -p ha-cover"), "{text}");
}

#[test]
fn threads_that_hang_are_named_and_the_drill_ends() {
    // Once all outstanding requests are ones that are never answered, nothing moves any more.
    let output = drill("--over unix,fifo --seconds 600 --threads 1 --seed 7 --json --sabotage lose --patience 3");
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(report["transports"][1]["not_reached"], true, "{report:#}");
    let hung = report["transports"][0]["hung"].to_string();
    assert!(hung.contains("unix connection 0 reader: recv on number "), "{report:#}");
    assert!(hung.contains("unix connection 0 writer: waiting for answers"), "{report:#}");
}

#[test]
fn a_drill_that_kills_nobody_does_not_pass() {
    let output = drill("--over unix --kills 0 --threads 1 --seed 7");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("unix: no server was killed"), "{text}");
}

/// Over FIFOs: there a stop cuts nothing short, while a send or a WAITALL receive that sleeps in the middle of a record
/// returns what it has moved so far (signal(7)).
#[test]
fn a_drill_that_stood_still_as_a_whole_has_not_hung() {
    let mut drill = Command::new(HA);
    drill.args("drill --over fifo --kills 20 --threads 1 --seed 7 --json --patience 3".split_whitespace());
    let drill = drill.stdout(Stdio::piped()).spawn().unwrap();
    let process = Pid::from_child(&drill);
    sleep(Duration::from_millis(400));
    kill_process(process, Signal::STOP).unwrap();
    sleep(Duration::from_millis(4500));
    kill_process(process, Signal::CONT).unwrap();
    let output = drill.wait_with_output().unwrap();
    assert!(output.status.success(), "{:#}", report(&output));
}

#[test]
fn the_table_names_what_was_counted() {
    let output = drill("--over unix,tcp --kills 3 --threads 1 --seed 7");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for word in ["kills", "lost", "tcp", "unix", "Passed: 6 kills"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}
