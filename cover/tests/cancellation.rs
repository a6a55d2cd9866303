//! Cancellation points stay cancellation points, and leave nothing behind.

mod support;

use support::scenarios::scenarios;

scenarios! {
    "cancellation.c":
    a_thread_that_is_blocked_in_any_call_ends_and_leaves_nothing,
    a_thread_that_is_blocked_again_after_a_recovery_ends_and_leaves_nothing,
    a_thread_that_waits_for_a_recovery_ends_and_leaves_nothing,
    a_recovery_function_is_not_cancelled_but_its_call_is,
}
