//! What QNX promises of a covered connection, and what libha adds for the rest of Linux: C programs, linked to libha.

mod support;

use support::scenarios::scenarios;

mod attachment {
    super::scenarios! {
        "attachment.c":
        replacing_the_function_through_a_dup_replaces_it_for_all,
        the_function_is_told_the_number_that_failed,
        one_recovery_repairs_every_number,
        each_number_keeps_its_own_close_on_exec_flag,
        the_new_connection_is_as_non_blocking_as_the_old_one,
        closing_one_number_leaves_the_other_covered,
        detaching_one_number_leaves_the_other_covered,
        a_detached_number_can_be_attached_again,
        a_number_used_again_does_not_rejoin,
        without_a_function_errors_propagate,
        a_function_can_be_taken_away,
        a_plain_dup_becomes_a_member,
        attaching_a_plain_dup_gives_it_a_connection_of_its_own,
        closing_a_dead_connection_recovers_nothing,
        an_ordinary_number_is_left_alone,
    }
}

mod limits {
    super::scenarios! {
        "limits.c":
        a_total_limit_is_for_life_until_its_count_is_reset,
        recoveries_in_a_row_are_limited,
        a_call_that_goes_through_ends_the_row,
        a_limit_of_zero_means_never,
        a_negative_limit_means_unlimited,
        only_the_low_half_of_the_pointer_counts,
        while_suspended_it_is_an_ordinary_number,
        suspending_and_enabling_leave_limits_and_counts_alone,
        every_invocation_of_the_function_counts,
        limits_belong_to_the_connection,
    }
}

mod recovery_function {
    super::scenarios! {
        "recovery_function.c":
        minus_one_stops_at_once,
        a_reset_that_is_given_up_is_reported_as_a_reset,
        another_number_is_a_failure,
        the_old_number_with_nothing_new_behind_it_is_no_recovery,
        the_function_can_talk_over_the_new_connection,
        the_function_can_read_what_the_dead_server_had_said,
        a_failure_inside_the_function_is_not_recovered_again,
        another_connection_is_recovered_inside_the_function,
        the_function_can_replace_itself,
        close_then_dup2_recovers_and_the_number_is_never_free,
        close_then_open_gives_the_same_number,
    }
}

mod numbers {
    super::scenarios! {
        "numbers.c":
        every_kind_of_copy_is_repaired,
        a_copy_of_a_dead_number_is_repaired,
        however_a_number_is_closed_the_next_one_there_is_ordinary,
        another_description_over_a_member_takes_its_place,
        one_connection_over_another_changes_sides,
        a_number_copied_onto_itself_stays_covered,
        a_copy_that_fails_changes_nothing,
        a_range_that_is_to_close_on_exec_stays_open_and_covered,
        a_program_that_closes_everything_starts_anew,
        a_fresh_number_is_ordinary_even_where_a_close_went_unseen,
        a_number_that_arrives_in_a_message_is_ordinary,
    }
}

mod transfer {
    super::scenarios! {
        "transfer.c":
        vectors_are_sent_again_whole,
        what_is_read_after_a_recovery_is_all_from_the_new_connection,
        a_peek_takes_nothing_away,
        a_call_that_wants_all_gets_it_from_one_connection,
        a_request_for_nothing_recovers_nothing,
        after_its_own_shutdown_the_end_is_the_end,
        a_socket_that_was_never_connected_is_not_recovered,
        asking_about_a_dead_connection_recovers_nothing,
        a_file_is_sent_again_from_where_it_was,
        a_splice_into_a_dead_socket_loses_nothing,
        text_printed_to_a_dead_number_arrives_whole,
        calls_through_syscall_are_covered,
    }
}

mod files {
    super::scenarios! {
        "files.c":
        every_call_on_a_lost_file_recovers,
        an_end_of_file_is_no_death_of_a_file,
        a_sync_repairs_but_does_not_claim_that_data_is_durable,
        a_file_is_made_and_covered_by_ha_creat,
        the_mode_of_ha_open_comes_after_its_flags,
        a_reopen_that_fails_leaves_the_original_error,
        a_reopened_number_keeps_its_registration,
        a_reopen_outside_of_a_recovery_keeps_number_and_registration,
        a_terminal_that_is_hung_up_recovers,
        a_tcp_connection_that_is_reset_recovers,
        the_function_can_ask_what_the_dead_connection_holds,
    }
}

mod readiness {
    super::scenarios! {
        "readiness.c":
        a_wait_recovers_and_reports_what_the_new_connection_has,
        a_wait_goes_on_after_a_recovery_until_its_time_is_up,
        what_a_dead_server_has_said_is_readable_first,
        an_ordinary_number_shows_that_its_server_is_gone,
        a_connection_that_is_given_up_shows_it,
        registrations_follow_a_connection_that_a_read_recovers,
    }
}

mod threads {
    super::scenarios! {
        "threads.c":
        sixteen_blocked_threads_fail_at_once_and_one_recovers,
        sixteen_threads_that_meet_a_dead_connection_recover_it_once,
        sixteen_blocked_threads_get_their_own_result_when_it_is_given_up,
        what_waits_on_a_number_that_is_closed_writes_to_nobody_else,
    }
}

mod signals {
    super::scenarios! {
        "signals.c":
        a_write_that_recovers_raises_no_signal,
        a_write_that_is_given_up_raises_the_signal,
        a_write_that_is_given_up_does_as_the_program_says_about_the_signal,
        an_ordinary_write_raises_the_signal,
        a_write_to_a_fifo_without_reader_recovers_without_a_signal,
        a_call_that_is_interrupted_says_so,
        a_handler_can_write_to_a_covered_number,
    }
}

mod errno {
    super::scenarios! {
        "errno.c":
        a_call_that_recovers_leaves_no_errno_behind,
        errno_is_left_alone_by_a_call_that_succeeds,
        errors_of_the_caller_recover_nothing,
    }
}

mod processes {
    super::scenarios! {
        "processes.c":
        a_child_recovers_for_itself_and_so_does_its_parent,
        what_a_child_does_to_its_numbers_is_its_own_affair,
        a_child_forked_while_another_thread_recovers_recovers_by_itself,
        the_recovery_function_can_fork,
        a_vfork_child_leaves_the_table_alone,
        a_spawned_program_gets_the_number_it_is_given,
        popen_and_system_work,
        a_daemon_keeps_its_connections_and_loses_its_streams,
        a_program_that_is_executed_gets_an_ordinary_number,
    }
}
