/* Numbers are closed, replaced, copied, attached and detached at every step of an episode. */
#define _GNU_SOURCE
#include "steps.h"

static void close_the_failing_one(void) { CHECK_EQUAL(close(FAILING), 0); }
static void close_another_one(void) { CHECK_EQUAL(close(FIRST), 0); }
static void close_the_last_one(void) { CHECK_EQUAL(ha_close(LAST), 0); }
static void close_all(void) { CHECK_EQUAL(close_range(FIRST, LAST, 0), 0); }

static void put_a_stranger_over_the_failing_one(void) { CHECK_EQUAL(dup2(stage.stranger, FAILING), FAILING); }
static void put_a_stranger_over_another_one(void) { CHECK_EQUAL(dup3(stage.stranger, FIRST, O_CLOEXEC), FIRST); }
static void put_a_member_of_another_over_it(void) { CHECK_EQUAL(dup2(stage.bystander, FAILING), FAILING); }

static void close_and_reuse_the_failing_one(void)
{
    CHECK_EQUAL(close(FAILING), 0);
    copy_to(stage.stranger, FAILING);
}

static void close_and_reuse_another_one(void)
{
    CHECK_EQUAL(close(FIRST), 0);
    copy_to(stage.stranger, FIRST);
}

static void detach_the_failing_one(void) { CHECK_EQUAL(ha_detach(FAILING), 0); }
static void detach_another_one(void) { CHECK_EQUAL(ha_detach(FIRST), 0); }

/* A number that joins. */
static int joined;

static void copy_the_failing_one(void) { CHECK((joined = dup(FAILING)) >= 0); }
static void copy_another_one(void) { CHECK((joined = ha_dup(FIRST)) >= 0); }
static void copy_onto_a_free_number(void) { CHECK_EQUAL(joined = dup2(LAST, AFTER), AFTER); }

/* It is repaired with the others: now if that was not over, and the next time. */
static void the_copy_is_a_member(void)
{
    converse_with(&stage.service, joined);
    int before = stage.service.recoveries;
    service_dies(&stage.service);
    converse_with(&stage.service, joined);
    CHECK_EQUAL(stage.service.recoveries, before + 1);
    CHECK_EQUAL(close(joined), 0);
}

static _Atomic int recoveries_of_the_replacement;

static int reopen_instead(int number, void *handle)
{
    recoveries_of_the_replacement++;
    return reopen(number, handle);
}

static void replace_the_function(void)
{
    CHECK_EQUAL(ha_attach(FIRST, reopen_instead, &stage.service, HAREPLACERECOVERYFN), 0);
}

static void the_replacement_recovers_from_now_on(void)
{
    int before = recoveries_of_the_replacement;
    CHECK(before <= 1);
    service_dies(&stage.service);
    members_converse();
    CHECK_EQUAL(recoveries_of_the_replacement, before + 1);
}

static void attach_a_copy_to_another(void) { CHECK_EQUAL(ha_attach(LAST, reopen, &stage.elsewhere, 0), 0); }

/* When it still stood for the dead description, its own function repairs it. */
static void the_copy_has_a_connection_of_its_own(void)
{
    char text[64] = "";
    int before = stage.service.recoveries;
    service_dies(&stage.service);
    CHECK_EQUAL(write(LAST, "?", 1), 1);
    CHECK_EQUAL(stage.service.recoveries, before);
    CHECK_EQUAL(stage.elsewhere.recoveries, 1);
    hear(&stage.elsewhere, text, sizeof text);
    CHECK_EQUAL(strcmp(text, "?"), 0);
    members_converse();
    CHECK_EQUAL(stage.service.recoveries, before + 1);
}

static void suspend(void) { CHECK_EQUAL(ha_connection_ctrl(FIRST, HA_RECOVERY_SUSPEND, NULL), 0); }

static void it_can_be_enabled_again(void)
{
    CHECK_EQUAL(ha_connection_ctrl(FIRST, HA_RECOVERY_ENABLE, NULL), 0);
}

EVENTS({ .name = "the_failing_number_is_closed", .act = close_the_failing_one, .closed = MEMBER(FAILING) },
       { .name = "another_number_is_closed", .act = close_another_one, .closed = MEMBER(FIRST) },
       { .name = "the_last_number_is_closed", .act = close_the_last_one, .closed = MEMBER(LAST) },
       { .name = "all_numbers_are_closed", .act = close_all, .closed = ALL },
       { .name = "a_stranger_replaces_the_failing_number", .act = put_a_stranger_over_the_failing_one,
         .replaced = MEMBER(FAILING) },
       { .name = "a_stranger_is_not_taken_for_what_was_recovered", .act = put_a_stranger_over_the_failing_one,
         .replaced = MEMBER(FAILING), .function_is_idle = 1, .moments = 4 },
       { .name = "a_stranger_replaces_another_number", .act = put_a_stranger_over_another_one,
         .replaced = MEMBER(FIRST) },
       { .name = "another_connection_replaces_the_failing_number", .act = put_a_member_of_another_over_it,
         .elsewhere = MEMBER(FAILING) },
       { .name = "the_failing_number_is_closed_and_reused", .act = close_and_reuse_the_failing_one,
         .replaced = MEMBER(FAILING) },
       { .name = "another_number_is_closed_and_reused", .act = close_and_reuse_another_one, .replaced = MEMBER(FIRST) },
       { .name = "the_failing_number_is_detached", .act = detach_the_failing_one, .detached = MEMBER(FAILING) },
       { .name = "another_number_is_detached", .act = detach_another_one, .detached = MEMBER(FIRST) },
       { .name = "the_failing_number_is_copied", .act = copy_the_failing_one, .verify = the_copy_is_a_member },
       { .name = "another_number_is_copied", .act = copy_another_one, .verify = the_copy_is_a_member },
       { .name = "a_number_is_copied_onto_a_free_one", .act = copy_onto_a_free_number, .verify = the_copy_is_a_member },
       { .name = "the_function_is_replaced", .act = replace_the_function,
         .verify = the_replacement_recovers_from_now_on },
       { .name = "a_copy_is_attached_to_another_server", .act = attach_a_copy_to_another,
         .verify = the_copy_has_a_connection_of_its_own, .apart = MEMBER(LAST) },
       { .name = "recovery_is_suspended", .act = suspend, .verify = it_can_be_enabled_again })
