/* Other threads call, and threads are cancelled, at every step of an episode. */
#define _GNU_SOURCE
#include <poll.h>

#include "steps.h"

static void call_gets_through(void)
{
    CHECK_EQUAL(stage.waited, 1);
}

static void write_to_the_failing_number(void)
{
    CHECK_EQUAL(write(FAILING, "e", 1), 1);
    stage.written++;
}

static void write_to_each_number(void)
{
    for (int number = FIRST; number <= LAST; number++)
        CHECK_EQUAL(write(number, "e", 1), 1);
    stage.written += 3;
}

static void poll_a_number(void)
{
    struct pollfd polled = { .fd = FIRST, .events = POLLOUT };
    CHECK_EQUAL(poll(&polled, 1, -1), 1);
    CHECK_EQUAL(polled.revents, POLLOUT);
}

static void ask_for_the_flags(void)
{
    CHECK_EQUAL(fcntl(LAST, F_GETFL) & O_ACCMODE, fcntl(stage.bystander, F_GETFL) & O_ACCMODE);
    CHECK_EQUAL(fcntl(LAST, F_SETFL, O_APPEND), 0);
}

static void a_flag_that_was_set_is_there(void)
{
    CHECK((fcntl(FIRST, F_GETFL) & O_APPEND) != 0);
}

static void cancel_the_second_call(void)
{
    second_call();
    CHECK_EQUAL(pthread_cancel(stage.waiter), 0);
    /* The wait for the verdict ends: it does not come before this returns. */
    if (role != WAITER)
        wait_until_gone(&stage.waiter_id);
}

/* A call that came later than its own number had got through. */
static void a_call_that_waited_is_cancelled(void)
{
    CHECK(stage.waiter_is_cancelled);
    if (precedes_the_transplant(stage.moment->step))
        CHECK_EQUAL(stage.waited, -2);
}

static void cancel_the_holder(void)
{
    CHECK_EQUAL(pthread_cancel(stage.holder), 0);
}

static void the_holder_ends_after_the_verdict(void)
{
    CHECK(stage.holder_is_cancelled);
    CHECK_EQUAL(stage.held, -2);
}

EVENTS({ .name = "another_number_is_written_to", .act = second_call, .verify = call_gets_through, .by_itself = 1 },
       { .name = "the_failing_number_is_written_to", .act = write_to_the_failing_number },
       { .name = "each_number_is_written_to", .act = write_to_each_number },
       { .name = "a_number_is_polled", .act = poll_a_number },
       { .name = "a_flag_is_set", .act = ask_for_the_flags, .verify = a_flag_that_was_set_is_there },
       { .name = "a_thread_that_waits_is_cancelled", .act = cancel_the_second_call,
         .verify = a_call_that_waited_is_cancelled, .by_itself = 1 },
       { .name = "the_thread_that_recovers_is_cancelled", .act = cancel_the_holder,
         .verify = the_holder_ends_after_the_verdict },
       { .name = "the_thread_that_recovers_cancels_itself", .act = cancel_the_holder,
         .verify = the_holder_ends_after_the_verdict, .by_itself = 1 })
