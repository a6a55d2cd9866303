//! Scenarios: what the tests' own C programs are made of, each a test of its own.

use std::ffi::{OsStr, OsString};

use super::build::{compile, linked};
use super::program::Program;

/// Runs one scenario of a C program that is linked to libha.
#[track_caller]
pub(crate) fn run(source: &str, scenario: &str) {
    let program = match std::env::var_os("HA_VALGRIND") {
        Some(logs) => under_valgrind(source, &logs),
        None => program(source),
    };
    program.argument(scenario).run().silently();
}

/// With a log in this directory for every process: of errors, and of descriptors that are open at its end.
fn under_valgrind(source: &str, logs: &OsStr) -> Program {
    let mut log = OsString::from("--log-file=");
    log.push(logs);
    log.push("/%p.log");
    Program::new("valgrind")
        .arguments(&["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite", "--track-fds=yes"])
        .argument(log)
        .argument(compile(source, &linked()))
}

/// A C program that is linked to libha.
pub(crate) fn program(source: &str) -> Program {
    Program::new(compile(source, &linked()))
}

/// Panics unless these are the scenarios of the program.
#[track_caller]
pub(crate) fn are_all(source: &str, listed: &[&str]) {
    let there = program(source).argument("--list").run().silently().text();
    assert_eq!(there.lines().collect::<Vec<_>>(), listed, "{source}");
}

/// Makes a test of each scenario of a C program, and one that none is left out.
macro_rules! scenarios {
    ($source:literal: $($scenario:ident),+ $(,)?) => {
        $(
            #[test]
            fn $scenario() {
                $crate::support::scenarios::run($source, stringify!($scenario));
            }
        )+

        #[test]
        fn no_scenario_is_left_out() {
            $crate::support::scenarios::are_all($source, &[$(stringify!($scenario)),+]);
        }
    };
}
pub(crate) use scenarios;
