//! stdio on covered numbers: buffers, indicators, and what happens without libha.

mod support;

use support::scenarios::scenarios;
use support::{Program, compile, linked};

mod stdio_output {
    super::scenarios! {
        "stdio_output.c":
        libha_stands_under_stdio,
        a_half_full_buffer_arrives_once_on_the_new_connection,
        what_was_accepted_before_a_reset_is_not_sent_again,
        a_block_that_is_torn_goes_on_without_a_gap,
        every_way_to_write_text_is_covered,
        wide_characters_are_covered,
        closing_a_stream_writes_its_buffer_to_the_new_connection,
        what_is_flushed_at_exit_is_recovered,
        a_stream_whose_connection_is_given_up_shows_it,
        ha_fclose_says_what_fclose_says,
    }
}

mod stdio_input {
    super::scenarios! {
        "stdio_input.c":
        a_line_is_read_across_a_recovery,
        numbers_are_scanned_across_a_recovery,
        a_block_is_read_across_a_recovery,
        a_stream_of_ha_fopen_reads_on_after_a_recovery,
    }
}

#[test]
fn without_libha_the_buffer_is_lost() {
    let program = compile("lost_buffer.c", &[]);
    let without = Program::new(&program).run().silently();
    let with = Program::new(&program).with_preload().run().silently();
    assert_eq!(without.text(), "0 of 10 bytes, 1 recoveries\n");
    assert_eq!(with.text(), "10 of 10 bytes, 1 recoveries\n");
}

#[test]
fn where_libc_cannot_be_changed_streams_are_not_covered_and_calls_are() {
    let ended = Program::new(compile("refuse_mprotect.c", &[])).argument(compile("sealed.c", &linked())).run();
    assert_eq!(ended.silently().text(), "calls, not streams\n");
}
