//! `ha run` becomes the program that it is given, with a library in front, or says why not.
//!
//! The library is a tiny one made here: what matters is that the loader takes it, not what it does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod installation;
mod privileges;
mod refusals;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use installation::{Installation, outcome, text};

/// Prints which signals it ignores and which are blocked.
const SIGNALS: &str = r#"
#include <signal.h>
#include <stdio.h>
int main(void) {
    struct sigaction action;
    sigset_t mask;
    sigaction(SIGPIPE, NULL, &action);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("%d %d\n", action.sa_handler == SIG_IGN, sigismember(&mask, SIGUSR1));
    return 0;
}
"#;

#[test]
fn arguments_standard_input_and_exit_status_are_those_of_the_program() {
    let installation = Installation::new();
    let script = r#"cat; printf '<%s>' "$@"; exit 42"#;
    let mut child = installation
        .ha(&["--", "sh", "-c", script, "sh", "--lib", "a b", ""])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"given ").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(text(&output.stdout), "given <--lib><a b><>");
}

#[test]
fn the_program_knows_itself_by_the_name_that_was_given() {
    let installation = Installation::new();
    let name = |given: &str| text(&installation.ha(&[given, "-c", "echo $0"]).output().unwrap().stdout);
    assert_eq!(name("sh"), "sh\n");
    assert_eq!(name("/bin/sh"), "/bin/sh\n");
}

#[test]
fn the_library_is_in_front_of_the_program() {
    let installation = Installation::new();
    let (status, _, errors) = outcome(&installation.ha(&["true"]).output().unwrap());
    assert_eq!((status, errors.as_str()), (Some(0), "[in front]\n"));
}

#[test]
fn the_program_takes_the_place_of_the_command() {
    let installation = Installation::new();
    let mut child = installation
        .ha(&["sh", "-c", "echo $$; kill -TERM $$"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout).trim(), pid.to_string());
}

#[test]
fn signals_are_inherited_as_without_the_command() {
    let installation = Installation::new();
    installation.compile("signals", SIGNALS, &[]);
    for (options, expected) in [
        (&["--default-signal=PIPE"][..], "0 0\n"),
        (&["--ignore-signal=PIPE"], "1 0\n"),
        (&["--default-signal=PIPE", "--block-signal=USR1"], "0 1\n"),
    ] {
        let through = Command::new("env")
            .args(options)
            .arg(installation.path("ha"))
            .args(["run", "--", "./signals"])
            .current_dir(installation.path(""))
            .output()
            .unwrap();
        assert_eq!(text(&through.stdout), expected, "{options:?}");
    }
}

#[test]
fn the_library_is_prepended_to_those_that_are_there() {
    let installation = Installation::new();
    let other = installation.compile("other.so", "int other;", &["-shared", "-fPIC"]);
    let library = installation.path("libha.so");
    let show = ["--", "sh", "-c", "echo $LD_PRELOAD"];
    let shown = |before: &str| text(&installation.ha(&show).env("LD_PRELOAD", before).output().unwrap().stdout);
    assert_eq!(shown(""), format!("{}\n", library.display()));
    assert_eq!(shown(other.to_str().unwrap()), format!("{}:{}\n", library.display(), other.display()));
    assert_eq!(shown(library.to_str().unwrap()), format!("{}\n", library.display()));
}

#[test]
fn options_reach_the_program_and_its_nested_runs() {
    let installation = Installation::new();
    let ha = installation.path("ha");
    let root = fs::canonicalize(installation.path("")).unwrap();
    fs::create_dir(installation.path("data")).unwrap();
    symlink("data", installation.path("link")).unwrap();
    let output = installation
        .ha(&["--reopen", "link/**", "--reconnect", "unix:sock", "--deadline", "2m", "--log", "off", "--replay"])
        .args([ha.to_str().unwrap(), "run", "--deadline", "5", "--", "env"])
        .output()
        .unwrap();
    let (status, variables, errors) = outcome(&output);
    assert_eq!(status, Some(0), "{errors}");
    for expected in [
        format!("HA_REOPEN={}/data/**", root.display()),
        format!("HA_RECONNECT=unix:{}", installation.path("sock").display()),
        "HA_DEADLINE=5000".to_owned(),
        "HA_LOG=off".to_owned(),
        "HA_REPLAY=65536".to_owned(),
    ] {
        assert!(variables.lines().any(|line| line == expected), "{expected} is not in\n{variables}");
    }
}

#[test]
fn a_program_runs_in_a_directory_that_is_gone() {
    let installation = Installation::new();
    let gone = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" run";
    let ha = installation.path("ha");
    let run = |arguments: &str| {
        let script = format!("{gone} {arguments}");
        Command::new("sh").args(["-c", &script]).arg(&ha).current_dir(installation.path("")).output().unwrap()
    };
    assert_eq!(run("true").status.code(), Some(0));
    let (status, _, said) = outcome(&run("--reopen '*' -- true"));
    assert_eq!(status, Some(125));
    assert!(said.contains("current directory"), "{said}");
}

#[test]
fn a_script_without_first_line_runs_under_the_shell() {
    let installation = Installation::new();
    let script = installation.script("script", "echo \"$0 $1\"\n");
    let (status, said, errors) = outcome(&installation.ha(&[script.to_str().unwrap(), "x"]).output().unwrap());
    assert_eq!(said, format!("{} x\n", script.display()), "{errors}");
    assert_eq!((status, errors.as_str()), (Some(0), "[in front]\n"));
}
