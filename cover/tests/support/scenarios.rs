//! Scenarios: what the tests' own C programs are made of, each a test of its own.

use super::build::{compile, linked};
use super::program::Program;

/// Runs one scenario of a C program that is linked to libha.
#[track_caller]
pub(crate) fn run(source: &str, scenario: &str) {
    program(source).argument(scenario).run().silently();
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
