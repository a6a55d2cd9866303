//! Sequences in C: what they do, what they do with bad input, and that they use memory as they should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod sequences {
    use super::support::scenarios::scenarios;

    scenarios! {
        "sequences.c":
        the_default_policy_goes_back_at_the_fifth_failure_and_past_the_first_node_it_ends,
        the_last_report_counts_and_the_observer_is_told,
        an_observer_is_told_of_every_event_and_verdict,
        a_function_that_does_not_report_has_failed_with_what_it_returned,
        a_rollback_that_failed_finds_what_it_has_left,
        a_sequence_runs_inside_a_node_of_another,
        a_sequence_that_is_deleted_while_it_runs_ends_first,
        other_threads_are_refused_while_it_runs,
        threads_run_sequences_of_their_own_and_share_one_by_turns,
        injected_failures_take_the_place_of_calls,
        the_default_policy_can_be_asked_about_another_event,
        a_policy_can_finish_and_fail_the_run,
    }
}

mod bad_input {
    use super::support::scenarios::scenarios;

    scenarios! {
        "bad_input.c":
        the_table_is_followed,
        lists_are_refused_with_a_reason,
        a_list_may_say_that_a_node_has_no_rollback_or_policy,
        what_is_said_by_the_wrong_function_does_not_count,
        a_node_that_there_is_not_ends_the_run,
        a_policy_without_a_verdict_ends_the_run,
        deleted_sequences_are_known_for_a_while_and_then_freed,
        every_code_has_a_text_of_its_own,
    }
}

mod memory {
    use super::support::build::{compile, linked};
    use super::support::{Program, skipped};

    /// Runs each scenario of a C program under valgrind, which must find nothing.
    fn is_used_well(source: &str) {
        if std::process::Command::new("valgrind").arg("--version").output().is_err() {
            return skipped(&format!("{source} under valgrind, which is not installed"));
        }
        let program = compile(source, &linked());
        let scenarios = Program::new(&program).argument("--list").run().silently().text();
        for scenario in scenarios.lines() {
            let options =
                ["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
            Program::new("valgrind").arguments(&options).argument(&program).argument(scenario).run().silently();
        }
    }

    #[test]
    fn is_used_well_by_sequences() {
        is_used_well("sequences.c");
    }

    #[test]
    fn is_used_well_with_bad_input() {
        is_used_well("bad_input.c");
    }
}
