/* What runs, in which order, with which checkpoint: sequences of functions that write down what they do. */
#define _GNU_SOURCE
#include "checkpoint.h"

#include <pthread.h>
#include <stdarg.h>

#include "check.h"

enum { OPEN = 1, READ, CHECK_IT };

/* What has happened, in words. */
static char story[4096];

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    size_t length = strlen(story);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(story + length, sizeof story - length, format, arguments);
    va_end(arguments);
}

#define CHECK_STORY(expected) \
    do { \
        if (strcmp(story, expected) != 0) { \
            fprintf(stderr, "%s:%d: the story is\n%s\nand not\n%s\n", __FILE__, __LINE__, story, expected); \
            _Exit(1); \
        } \
        story[0] = 0; \
    } while (0)

static int run(HC_NodelistNode_t *list)
{
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK(sequence);
    int code = HC_CallSequence(sequence, NULL, OPEN);
    HC_DeleteSequence(sequence);
    return code;
}

static int open_it(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    tell("open %u; ", HC_Attempt(sequence));
    HC_Checkpoint(sequence, 10);
    return HC_NormalSuccess(sequence, READ);
}

static int undo_open(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint)
{
    (void)userdata;
    tell("undo open %lu; ", checkpoint);
    return HC_RollBackFail(sequence, 100);
}

static int read_it(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    tell("read %u; ", HC_Attempt(sequence));
    HC_Checkpoint(sequence, 19);
    HC_Checkpoint(sequence, 20);
    return HC_NormalFail(sequence, 7);
}

static int undo_read(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint)
{
    (void)userdata;
    tell("undo read %lu; ", checkpoint);
    return HC_RollBackSuccess(sequence, READ);
}

static void the_default_policy_goes_back_at_the_fifth_failure_and_past_the_first_node_it_ends(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, open_it },
                                 { READ, HC_NORMALFUNC, read_it },
                                 { OPEN, HC_ROLLBACKFUNC, undo_open },
                                 { READ, HC_ROLLBACKFUNC, undo_read },
                                 { READ, HC_POLICYFUNC, HC_DefaultPolicy },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(list), HC_PASTFIRST);
    CHECK_STORY("open 1; read 1; undo read 20; read 2; undo read 20; read 3; undo read 20; read 4; undo read 20; "
                "read 5; undo open 10; ");
}

static int report_twice(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    tell("%u; ", HC_Attempt(sequence));
    CHECK_EQUAL(HC_NormalFail(sequence, 7), HC_OK);
    return HC_NormalSuccess(sequence, 0);
}

static void note(void *argument, const HC_Observation_t *seen)
{
    static const char *const names[] = { "none", "retry", "rollback", "previous", "goto", "finish", "fail" };
    CHECK(argument == story);
    switch (seen->what) {
    case HC_SAW_EVENT:
        tell("(%d.%u event %d %ld) ", seen->node, seen->attempt, seen->event, seen->data);
        break;
    case HC_SAW_VERDICT:
        tell("(%d.%u on %d %s %ld) ", seen->node, seen->attempt, seen->event, names[seen->verdict], seen->data);
        break;
    case HC_SAW_REPLACED:
        tell("(%d.%u replaced %d %ld) ", seen->node, seen->attempt, seen->event, seen->data);
        break;
    default:
        CHECK(0);
    }
}

static void the_last_report_counts_and_the_observer_is_told(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, report_twice }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_SetObserver(sequence, note, story), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_OK);
    CHECK_STORY("1; (1.1 replaced 2 7) (1.1 event 1 0) (1.1 on 1 finish 0) ");
    CHECK_EQUAL(HC_SetObserver(sequence, NULL, NULL), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_OK);
    CHECK_STORY("1; ");
    HC_DeleteSequence(sequence);
}

static int every_verdict(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    static int times;
    switch (++times) {
    case 1:
        CHECK_EQUAL(HC_Fail(sequence), HC_OK); /* The last one counts. */
        return HC_RollBackCurrent(sequence);
    case 2:
        return HC_GoTo(sequence, OPEN);
    case 3:
        return HC_DefaultPolicy(sequence, userdata, event, policy_data);
    case 4:
        return HC_RollBackPrev(sequence);
    default:
        CHECK(0);
        return 0;
    }
}

static void an_observer_is_told_of_every_event_and_verdict(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, read_it },
                                 { OPEN, HC_ROLLBACKFUNC, undo_open },
                                 { OPEN, HC_POLICYFUNC, every_verdict },
                                 { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_SetObserver(sequence, note, story), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_PASTFIRST);
    CHECK_STORY("read 1; (1.1 event 2 7) (1.1 on 2 rollback 0) undo open 20; (1.1 event 4 100) (1.1 on 4 goto 1) "
                "read 2; (1.2 event 2 7) (1.2 on 2 retry 0) undo open 20; (1.2 event 4 100) (1.2 on 4 previous 0) ");
    int node = 0;
    long data = 0;
    CHECK_EQUAL(HC_LastFailure(sequence, &node, &data), HC_OK);
    CHECK_EQUAL(node, OPEN);
    CHECK_EQUAL(data, 100);
    HC_DeleteSequence(sequence);
}

static int return_seven(void)
{
    return 7;
}

static void a_function_that_does_not_report_has_failed_with_what_it_returned(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, open_it },
                                 { READ, HC_NORMALFUNC, return_seven },
                                 { READ, HC_ROLLBACKFUNC, return_seven },
                                 { OPEN, HC_ROLLBACKFUNC, undo_open },
                                 { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_SetObserver(sequence, note, story), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_PASTFIRST);
    CHECK_STORY("open 1; (1.1 event 1 2) (1.1 on 1 goto 2) (2.1 event 2 7) (2.1 on 2 retry 0) (2.1 event 4 7) "
                "(2.1 on 4 previous 0) undo open 10; (1.0 event 4 100) (1.0 on 4 previous 0) ");
    HC_DeleteSequence(sequence);
}

static int undo_in_two_steps(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint)
{
    (void)userdata;
    tell("undo %lu; ", checkpoint);
    if (checkpoint == 0)
        return HC_RollBackSuccess(sequence, 0);
    HC_Checkpoint(sequence, checkpoint == 20 ? 15 : 0);
    return HC_RollBackFail(sequence, 100);
}

static int again(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    if (event == HC_ROLLBACKFAIL)
        return HC_RollBackCurrent(sequence);
    return HC_DefaultPolicy(sequence, userdata, event, policy_data);
}

static void a_rollback_that_failed_finds_what_it_has_left(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, read_it },
                                 { OPEN, HC_ROLLBACKFUNC, undo_in_two_steps },
                                 { OPEN, HC_POLICYFUNC, again },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(list), HC_OK);
    CHECK_STORY("read 1; undo 20; undo 15; undo 0; ");
}

static int inner(HC_Sequence_t *sequence, void *userdata)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, report_twice }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *nested = HC_NewSequence(list);
    int code = HC_CallSequence(nested, userdata, OPEN);
    HC_DeleteSequence(nested);
    return code == HC_OK ? HC_NormalSuccess(sequence, 0) : HC_NormalFail(sequence, code);
}

static void a_sequence_runs_inside_a_node_of_another(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, open_it },
                                 { READ, HC_NORMALFUNC, inner },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(list), HC_OK);
    CHECK_STORY("open 1; 1; ");
}

static int delete_itself(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    HC_DeleteSequence(sequence);
    HC_DeleteSequence(sequence);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_BUSY);
    return HC_NormalSuccess(sequence, 0);
}

static void a_sequence_that_is_deleted_while_it_runs_ends_first(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, delete_itself }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_NOSEQUENCE);
}

static void *speak_from_elsewhere(void *sequence)
{
    CHECK_EQUAL(HC_NormalSuccess(sequence, 0), HC_NOTRUNNING);
    CHECK_EQUAL(HC_Checkpoint(sequence, 99), HC_NOTRUNNING);
    CHECK_EQUAL(HC_Attempt(sequence), 0);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_BUSY);
    CHECK_EQUAL(HC_LastFailure(sequence, NULL, NULL), HC_BUSY);
    return NULL;
}

static int be_disturbed(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    pthread_t thread;
    CHECK_EQUAL(HC_LastFailure(sequence, NULL, NULL), HC_NONODE);
    CHECK_EQUAL(pthread_create(&thread, NULL, speak_from_elsewhere, sequence), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    return HC_NormalFail(sequence, 7);
}

static int undo_nothing(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint)
{
    (void)userdata;
    CHECK_EQUAL(checkpoint, 0);
    return HC_RollBackSuccess(sequence, 0);
}

static void other_threads_are_refused_while_it_runs(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, be_disturbed },
                                 { OPEN, HC_ROLLBACKFUNC, undo_nothing },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(list), HC_OK);
}

/* A sequence of its own in each thread, many times, and one that all of them want. */
static HC_Sequence_t *shared;

static int count(HC_Sequence_t *sequence, void *userdata)
{
    ++*(long *)userdata;
    return HC_NormalSuccess(sequence, *(long *)userdata % 5 == 0 ? 0 : OPEN);
}

static void *run_many(void *unused)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, count }, { 0, HC_LISTEND, NULL } };
    for (int i = 0; i < 200; i++) {
        long counted = 0;
        HC_Sequence_t *sequence = HC_NewSequence(list);
        CHECK_EQUAL(HC_CallSequence(sequence, &counted, OPEN), HC_OK);
        CHECK_EQUAL(counted, 5);
        int code = HC_CallSequence(shared, &counted, OPEN);
        CHECK(code == HC_OK || code == HC_BUSY);
        CHECK_EQUAL(counted, code == HC_OK ? 10 : 5);
        HC_DeleteSequence(sequence);
    }
    return unused;
}

static void threads_run_sequences_of_their_own_and_share_one_by_turns(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, count }, { 0, HC_LISTEND, NULL } };
    pthread_t threads[4];
    shared = HC_NewSequence(list);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    HC_DeleteSequence(shared);
}

static void injected_failures_take_the_place_of_calls(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, open_it },
                                 { OPEN, HC_ROLLBACKFUNC, undo_open },
                                 { READ, HC_NORMALFUNC, report_twice },
                                 { READ, HC_ROLLBACKFUNC, undo_read },
                                 { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_InjectFailure(sequence, READ, HC_NORMALFUNC, 2, 9), HC_OK);
    CHECK_EQUAL(HC_InjectFailure(sequence, READ, HC_ROLLBACKFUNC, 1, 9), HC_OK);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_OK);
    CHECK_STORY("open 1; 1; ");
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_PASTFIRST);
    CHECK_STORY("open 1; undo open 10; ");
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, OPEN), HC_OK);
    HC_DeleteSequence(sequence);
}

static int translate(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    static int times;
    if (event != HC_NORMALFAIL || ++times < 3)
        return HC_DefaultPolicy(sequence, userdata, event, policy_data);
    /* Asked twice, it counts once; asked about something else, it answers that. */
    CHECK_EQUAL(HC_DefaultPolicy(sequence, userdata, HC_NORMALFAIL, 0), HC_OK);
    if (times < 5)
        return HC_DefaultPolicy(sequence, userdata, HC_NORMALFAIL, 0);
    return HC_DefaultPolicy(sequence, userdata, HC_ROLLBACKSUCCESS, CHECK_IT);
}

static void the_default_policy_can_be_asked_about_another_event(void)
{
    HC_NodelistNode_t list[] = { { OPEN, HC_NORMALFUNC, read_it },
                                 { OPEN, HC_POLICYFUNC, translate },
                                 { CHECK_IT, HC_NORMALFUNC, report_twice },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(list), HC_OK);
    CHECK_STORY("read 1; read 2; read 3; read 4; read 5; 1; ");
}

static int finish_early(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    (void)userdata, (void)event;
    return policy_data == READ ? HC_Finish(sequence) : HC_Fail(sequence);
}

static void a_policy_can_finish_and_fail_the_run(void)
{
    HC_NodelistNode_t finishes[] = { { OPEN, HC_NORMALFUNC, open_it },
                                     { OPEN, HC_POLICYFUNC, finish_early },
                                     { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(finishes), HC_OK);
    HC_NodelistNode_t fails[] = { { OPEN, HC_NORMALFUNC, read_it },
                                  { OPEN, HC_POLICYFUNC, finish_early },
                                  { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(run(fails), HC_FAILED);
}

MAIN(SCENARIO(the_default_policy_goes_back_at_the_fifth_failure_and_past_the_first_node_it_ends),
     SCENARIO(the_last_report_counts_and_the_observer_is_told), SCENARIO(an_observer_is_told_of_every_event_and_verdict),
     SCENARIO(a_function_that_does_not_report_has_failed_with_what_it_returned),
     SCENARIO(a_rollback_that_failed_finds_what_it_has_left), SCENARIO(a_sequence_runs_inside_a_node_of_another),
     SCENARIO(a_sequence_that_is_deleted_while_it_runs_ends_first), SCENARIO(other_threads_are_refused_while_it_runs),
     SCENARIO(threads_run_sequences_of_their_own_and_share_one_by_turns),
     SCENARIO(injected_failures_take_the_place_of_calls), SCENARIO(the_default_policy_can_be_asked_about_another_event),
     SCENARIO(a_policy_can_finish_and_fail_the_run))
