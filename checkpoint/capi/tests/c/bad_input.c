/* Every HC_ function with every bad argument: the code that is promised, and nothing changed. */
#include "checkpoint.h"

#include <errno.h>
#include <stdint.h>

#include "check.h"

#define NODE 1
#define OTHER 2

/* What the bad arguments are made of. */
static HC_Sequence_t *idle, *deleted, *running;

static int finish(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    return HC_NormalSuccess(sequence, 0);
}

static int fail(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    return HC_NormalFail(sequence, 7);
}

/* A function that must never run. */
static int never(void)
{
    fprintf(stderr, "a function of a refused list was called\n");
    _Exit(1);
}

/* What is said to a sequence that must not be spoken to like that. */
#define TO_NONE(X, code, sequence) \
    X(code, HC_NormalSuccess(sequence, NODE)) \
    X(code, HC_NormalFail(sequence, 7)) \
    X(code, HC_RollBackSuccess(sequence, NODE)) \
    X(code, HC_RollBackFail(sequence, 7)) \
    X(code, HC_Checkpoint(sequence, 1)) \
    X(code, HC_RollBackCurrent(sequence)) \
    X(code, HC_RollBackPrev(sequence)) \
    X(code, HC_GoTo(sequence, NODE)) \
    X(code, HC_Finish(sequence)) \
    X(code, HC_Fail(sequence)) \
    X(code, HC_DefaultPolicy(sequence, NULL, HC_NORMALFAIL, 7))

#define TO_NO_SEQUENCE(X, sequence) \
    TO_NONE(X, HC_NOSEQUENCE, sequence) \
    X(HC_NOSEQUENCE, HC_CallSequence(sequence, NULL, NODE)) \
    X(HC_NOSEQUENCE, HC_LastFailure(sequence, NULL, NULL)) \
    X(HC_NOSEQUENCE, HC_SetObserver(sequence, NULL, NULL)) \
    X(HC_NOSEQUENCE, HC_InjectFailure(sequence, NODE, HC_NORMALFUNC, 1, 7)) \
    X(0, HC_Attempt(sequence))

/* The calls, and the code of each. */
#define TABLE(X) \
    TO_NO_SEQUENCE(X, NULL) \
    TO_NO_SEQUENCE(X, deleted) \
    TO_NO_SEQUENCE(X, (HC_Sequence_t *)(uintptr_t)3) \
    TO_NONE(X, HC_NOTRUNNING, idle) \
    X(0, HC_Attempt(idle)) \
    X(HC_NONODE, HC_CallSequence(idle, NULL, OTHER)) \
    X(HC_NONODE, HC_CallSequence(idle, NULL, 0)) \
    X(HC_NONODE, HC_CallSequence(idle, NULL, -1)) \
    X(HC_NONODE, HC_LastFailure(idle, NULL, NULL)) \
    X(HC_NONODE, HC_InjectFailure(idle, OTHER, HC_NORMALFUNC, 1, 7)) \
    X(HC_BADARGUMENT, HC_InjectFailure(idle, NODE, HC_POLICYFUNC, 1, 7)) \
    X(HC_BADARGUMENT, HC_InjectFailure(idle, NODE, HC_LISTEND, 1, 7)) \
    X(HC_BADARGUMENT, HC_InjectFailure(idle, NODE, 17, 1, 7))

static void the_table_is_followed(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, finish }, { 0, HC_LISTEND, NULL } };
    idle = HC_NewSequence(list);
    deleted = HC_NewSequence(list);
    CHECK(idle && deleted);
    HC_DeleteSequence(deleted);
#define ROW(code, call) CHECK_EQUAL(call, code);
    TABLE(ROW)
    HC_DeleteSequence(deleted);
    HC_DeleteSequence(NULL);
    HC_DeleteSequence((HC_Sequence_t *)(uintptr_t)3);
    /* Nothing has changed. */
    CHECK_EQUAL(HC_CallSequence(idle, NULL, NODE), HC_OK);
    HC_DeleteSequence(idle);
}

/* Lists that make no sequence. */
static void lists_are_refused_with_a_reason(void)
{
    static const struct {
        int code;
        HC_NodelistNode_t list[5];
    } table[] = {
        { HC_NOLIST, { { 0, HC_LISTEND, NULL } } },
        { HC_NONORMALFUNC, { { NODE, HC_ROLLBACKFUNC, never }, { 0, HC_LISTEND, NULL } } },
        { HC_NONORMALFUNC, { { NODE, HC_POLICYFUNC, HC_DefaultPolicy }, { 0, HC_LISTEND, NULL } } },
        { HC_NONORMALFUNC, { { NODE, HC_NORMALFUNC, NULL }, { 0, HC_LISTEND, NULL } } },
        { HC_NONORMALFUNC,
          { { NODE, HC_NORMALFUNC, never }, { OTHER, HC_ROLLBACKFUNC, never }, { 0, HC_LISTEND, NULL } } },
        { HC_DUPLICATE, { { NODE, HC_NORMALFUNC, never }, { NODE, HC_NORMALFUNC, never }, { 0, HC_LISTEND, NULL } } },
        { HC_DUPLICATE,
          { { NODE, HC_POLICYFUNC, never },
            { NODE, HC_NORMALFUNC, never },
            { NODE, HC_POLICYFUNC, NULL },
            { 0, HC_LISTEND, NULL } } },
        { HC_DUPLICATE,
          { { NODE, HC_NORMALFUNC, never },
            { NODE, HC_ROLLBACKFUNC, never },
            { NODE, HC_ROLLBACKFUNC, never },
            { 0, HC_LISTEND, NULL } } },
        { HC_BADKIND, { { NODE, HC_NORMALFUNC, never }, { OTHER, 4, never } } },
        { HC_BADKIND, { { NODE, -1, never } } },
        { HC_RESERVED, { { 0, HC_NORMALFUNC, never }, { 0, HC_LISTEND, NULL } } },
        { HC_RESERVED, { { NODE, HC_NORMALFUNC, never }, { 0, HC_ROLLBACKFUNC, never } } },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        HC_NodelistNode_t *list = (HC_NodelistNode_t *)table[i].list;
        CHECK_EQUAL(HC_CheckNodelist(list), table[i].code);
        errno = 0;
        CHECK(HC_NewSequence(list) == NULL);
        CHECK_EQUAL(errno, EINVAL);
    }
    CHECK_EQUAL(HC_CheckNodelist(NULL), HC_NOLIST);
    CHECK(HC_NewSequence(NULL) == NULL);
}

static void a_list_may_say_that_a_node_has_no_rollback_or_policy(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_ROLLBACKFUNC, NULL },
                                 { NODE, HC_POLICYFUNC, NULL },
                                 { NODE, HC_NORMALFUNC, fail },
                                 { 0, HC_LISTEND, NULL } };
    CHECK_EQUAL(HC_CheckNodelist(list), HC_OK);
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, NODE), HC_PASTFIRST);
    HC_DeleteSequence(sequence);
}

static int wrong_in_normal(HC_Sequence_t *sequence, void *userdata)
{
    CHECK_EQUAL(HC_RollBackSuccess(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_RollBackFail(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_RollBackCurrent(sequence), HC_WRONGFUNC);
    CHECK_EQUAL(HC_RollBackPrev(sequence), HC_WRONGFUNC);
    CHECK_EQUAL(HC_GoTo(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_Finish(sequence), HC_WRONGFUNC);
    CHECK_EQUAL(HC_Fail(sequence), HC_WRONGFUNC);
    CHECK_EQUAL(HC_DefaultPolicy(sequence, userdata, HC_NORMALFAIL, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_CallSequence(sequence, userdata, NODE), HC_BUSY);
    CHECK_EQUAL(HC_SetObserver(sequence, NULL, NULL), HC_BUSY);
    CHECK_EQUAL(HC_InjectFailure(sequence, NODE, HC_NORMALFUNC, 1, 0), HC_BUSY);
    running = sequence;
    return HC_NormalFail(sequence, 7);
}

static int wrong_in_rollback(HC_Sequence_t *sequence, void *userdata, unsigned long checkpoint)
{
    (void)userdata;
    CHECK_EQUAL(checkpoint, 0);
    CHECK_EQUAL(HC_NormalSuccess(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_NormalFail(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_Finish(sequence), HC_WRONGFUNC);
    return HC_RollBackSuccess(sequence, 0);
}

static int wrong_in_policy(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    CHECK_EQUAL(HC_NormalSuccess(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_RollBackFail(sequence, 0), HC_WRONGFUNC);
    CHECK_EQUAL(HC_Checkpoint(sequence, 5), HC_WRONGFUNC);
    CHECK_EQUAL(HC_DefaultPolicy(sequence, userdata, 0, 0), HC_BADARGUMENT);
    CHECK_EQUAL(HC_DefaultPolicy(sequence, userdata, 5, 0), HC_BADARGUMENT);
    return HC_DefaultPolicy(sequence, userdata, event, policy_data);
}

static void what_is_said_by_the_wrong_function_does_not_count(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, wrong_in_normal },
                                 { NODE, HC_ROLLBACKFUNC, wrong_in_rollback },
                                 { NODE, HC_POLICYFUNC, wrong_in_policy },
                                 { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, NODE), HC_OK);
    CHECK(running == sequence);
    HC_DeleteSequence(sequence);
}

static int to_nowhere(HC_Sequence_t *sequence, void *userdata)
{
    return HC_NormalSuccess(sequence, *(long *)userdata);
}

static void a_node_that_there_is_not_ends_the_run(void)
{
    static const long nowhere[] = { OTHER, -1, 2147483647L, 0x100000001L, (-0x7fffffffffffffffL) - 1 };
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, to_nowhere }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        CHECK_EQUAL(HC_CallSequence(sequence, (void *)&nowhere[i], NODE), HC_NONODE);
    HC_DeleteSequence(sequence);
}

static int mute(HC_Sequence_t *sequence, void *userdata, HC_PolicyEvent_t event, long policy_data)
{
    (void)sequence, (void)userdata, (void)event, (void)policy_data;
    return HC_OK;
}

static void a_policy_without_a_verdict_ends_the_run(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, fail },
                                 { NODE, HC_POLICYFUNC, mute },
                                 { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequence = HC_NewSequence(list);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, NODE), HC_NOVERDICT);
    HC_DeleteSequence(sequence);
}

static void deleted_sequences_are_known_for_a_while_and_then_freed(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, finish }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *sequences[64];
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 64; i++) {
            sequences[i] = HC_NewSequence(list);
            HC_DeleteSequence(sequences[i]);
        }
        for (size_t i = 0; i < 64; i++)
            CHECK_EQUAL(HC_CallSequence(sequences[i], NULL, NODE), HC_NOSEQUENCE);
    }
}

static void every_code_has_a_text_of_its_own(void)
{
    for (int code = HC_OK; code <= HC_RESERVED; code++) {
        CHECK(strlen(HC_Strerror(code)) > 3);
        CHECK(strcmp(HC_Strerror(code), HC_Strerror(HC_RESERVED + 1)) != 0);
        for (int other = HC_OK; other < code; other++)
            CHECK(strcmp(HC_Strerror(code), HC_Strerror(other)) != 0);
    }
    CHECK(strcmp(HC_Strerror(-1), HC_Strerror(2147483647)) == 0);
}

MAIN(SCENARIO(the_table_is_followed), SCENARIO(lists_are_refused_with_a_reason),
     SCENARIO(a_list_may_say_that_a_node_has_no_rollback_or_policy),
     SCENARIO(what_is_said_by_the_wrong_function_does_not_count), SCENARIO(a_node_that_there_is_not_ends_the_run),
     SCENARIO(a_policy_without_a_verdict_ends_the_run), SCENARIO(deleted_sequences_are_known_for_a_while_and_then_freed),
     SCENARIO(every_code_has_a_text_of_its_own))
