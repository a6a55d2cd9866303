//! Programs that cannot go on, and functions that leave otherwise than by returning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::process::ExitStatusExt;

use support::build::{compile_to, package};
use support::{Ended, Program, linked, scenarios};

const SIGABRT: i32 = 6;

fn run(scenario: &str) -> Ended {
    scenarios::program("endings.c").argument(scenario).run()
}

#[test]
fn a_panic_prints_and_aborts() {
    let ended = run("a_panic_prints_and_aborts");
    assert_eq!(ended.status.signal(), Some(SIGABRT));
    assert_eq!(ended.errors, "checkpoint 42 of node\n");
}

#[test]
fn a_panic_of_any_length_reaches_the_hook_whole() {
    let ended = run("a_panic_of_any_length_reaches_the_hook_whole");
    assert_eq!(ended.status.signal(), Some(SIGABRT));
    let expected = format!("{}end\nhook: 100003 bytes, ends with end\n", "x".repeat(99_999));
    assert!(ended.errors == expected, "{} bytes", ended.errors.len());
}

#[test]
fn a_panic_with_the_hook_taken_back_and_no_message() {
    let ended = run("a_panic_with_the_hook_taken_back_and_no_message");
    assert_eq!(ended.status.signal(), Some(SIGABRT));
    assert_eq!(ended.errors, "HC_Panic was called without a message\n");
}

#[test]
fn a_sequence_that_was_left_by_longjmp_is_busy() {
    assert_eq!(run("a_sequence_that_was_left_by_longjmp_is_busy").silently().text(), "busy (it is running)\n");
}

#[test]
fn no_scenario_is_left_out() {
    scenarios::are_all(
        "endings.c",
        &[
            "a_panic_prints_and_aborts",
            "a_panic_of_any_length_reaches_the_hook_whole",
            "a_panic_with_the_hook_taken_back_and_no_message",
            "a_sequence_that_was_left_by_longjmp_is_busy",
        ],
    );
}

#[test]
fn what_a_function_throws_comes_out_of_the_call_and_the_sequence_can_be_called_again() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("throws");
    let mut flags = linked();
    flags.push("-lstdc++".into());
    compile_to(&program, &package().join("tests/c/throws.cc"), &flags);
    assert_eq!(Program::new(program).run().silently().text(), "thrown by a node\n17\nfinished\n");
}
