/* Programs that cannot go on, and functions that leave as they must not. */
#include "checkpoint.h"

#include <setjmp.h>

#include "check.h"

#define NODE 1

static int panic(HC_Sequence_t *sequence, void *userdata)
{
    (void)userdata;
    HC_Panic(sequence, "checkpoint %lu of %s\n", 42ul, "node");
}

static void a_panic_prints_and_aborts(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, panic }, { 0, HC_LISTEND, NULL } };
    HC_CallSequence(HC_NewSequence(list), NULL, NODE);
}

static void hook(const char *message)
{
    fprintf(stderr, "hook: %zu bytes, ends with %s", strlen(message), message + strlen(message) - 4);
}

static void a_panic_of_any_length_reaches_the_hook_whole(void)
{
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    CHECK(HC_SetPanicHook(hook) == NULL);
    HC_Panic(NULL, "%send\n", text);
}

static void a_panic_with_the_hook_taken_back_and_no_message(void)
{
    HC_SetPanicHook(hook);
    CHECK(HC_SetPanicHook(NULL) == hook);
    HC_Panic(NULL, NULL);
}

static jmp_buf place;

static int jump(HC_Sequence_t *sequence, void *userdata)
{
    (void)sequence, (void)userdata;
    longjmp(place, 1);
}

static void a_sequence_that_was_left_by_longjmp_is_busy(void)
{
    HC_NodelistNode_t list[] = { { NODE, HC_NORMALFUNC, jump }, { 0, HC_LISTEND, NULL } };
    HC_Sequence_t *volatile sequence = HC_NewSequence(list);
    if (setjmp(place) == 0)
        HC_CallSequence(sequence, NULL, NODE);
    CHECK_EQUAL(HC_CallSequence(sequence, NULL, NODE), HC_BUSY);
    puts(HC_Strerror(HC_BUSY));
}

MAIN(SCENARIO(a_panic_prints_and_aborts), SCENARIO(a_panic_of_any_length_reaches_the_hook_whole),
     SCENARIO(a_panic_with_the_hook_taken_back_and_no_message), SCENARIO(a_sequence_that_was_left_by_longjmp_is_busy))
