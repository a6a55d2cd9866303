//! A drill that is interrupted, or killed, leaves no mount and no server behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Waits until a condition holds, and fails when it does not for a long time.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "still not the case: {what}");
        sleep(Duration::from_millis(5));
    }
}

fn is_mounted_below(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().any(|line| line.contains(directory.to_str().unwrap()))
}

/// Whether a server runs whose arguments name something in `directory`.
fn is_served_below(directory: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut arguments = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    arguments.any(|line| String::from_utf8_lossy(&line).contains(directory.to_str().unwrap()))
}

fn drill_below(directory: &Path, transport: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ha"))
        .args(["drill", "--over", transport, "--seconds", "60", "--seed", "7", "--threads", "1"])
        .env("TMPDIR", directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Ends a drill over FUSE by a signal while its file system is mounted. `None` when there is no FUSE here.
fn end_while_mounted(signal: Signal) -> Option<TempDir> {
    let directory = TempDir::new().unwrap();
    let mut drill = drill_below(directory.path(), "fuse");
    let mut ended = false;
    until("the file system is mounted", || {
        ended = drill.try_wait().unwrap().is_some();
        ended || is_mounted_below(directory.path())
    });
    if ended {
        eprintln!("skipped: no FUSE here");
        return None;
    }
    kill_process(Pid::from_child(&drill), signal).unwrap();
    drill.wait().unwrap();
    Some(directory)
}

#[test]
fn an_interrupted_drill_unmounts_and_removes_its_directory() {
    let Some(directory) = end_while_mounted(Signal::INT) else { return };
    assert!(!is_mounted_below(directory.path()));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_killed_drill_takes_its_server_along() {
    let directory = TempDir::new().unwrap();
    let mut drill = drill_below(directory.path(), "unix");
    until("the server runs", || is_served_below(directory.path()));
    drill.kill().unwrap();
    drill.wait().unwrap();
    until("no server is left", || !is_served_below(directory.path()));
}

#[test]
fn the_hidden_command_stays_out_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_ha")).arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("drill") && !text.contains("serve "), "{text}");
}
