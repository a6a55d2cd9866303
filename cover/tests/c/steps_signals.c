/* A signal handler uses covered numbers at every step of an episode, on the recovering thread or on a waiting one. */
#define _GNU_SOURCE
#include "steps.h"

/* Without and with SA_RESTART. */
static const int flags[] = { 0, SA_RESTART };
#define VARIANTS 2

static void (*in_the_handler)(void);
static _Atomic int has_begun, has_handled;

static void handle_a_signal(int signal)
{
    int error = errno;
    (void)signal;
    has_begun = 1;
    in_the_handler();
    has_handled = 1;
    errno = error;
}

static void prepare(void (*what)(void))
{
    struct sigaction action = { .sa_handler = handle_a_signal, .sa_flags = flags[stage.variant] };
    in_the_handler = what;
    CHECK_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
    /* A handler that interrupts the recovery itself meets the dead connection. */
    signal(SIGPIPE, SIG_IGN);
}

static void interrupt_the_one_here(void (*what)(void))
{
    prepare(what);
    CHECK_EQUAL(raise(SIGUSR1), 0);
}

/* Blocks its own signals in a transplant; so does libha. The handler runs when that is over. */
static void the_handler_has_run(void)
{
    CHECK(has_handled);
}

/* A thread that has a call on the connection, and waits for the verdict if it has not come. */
static void interrupt_a_waiter(void (*what)(void))
{
    prepare(what);
    second_call();
    CHECK_EQUAL(pthread_kill(stage.waiter, SIGUSR1), 0);
    while (!has_begun)
        sched_yield();
    if (role != WAITER)
        let_go_on(&stage.waiter_id);
}

/* Only a handler without SA_RESTART ends the call, if that waits. */
static void the_call_goes_on_or_was_interrupted(void)
{
    if (stage.waited == 1)
        return;
    CHECK_EQUAL(stage.waited, -1);
    CHECK_EQUAL(stage.waited_error, EINTR);
    CHECK_EQUAL(flags[stage.variant], 0);
}

static void write_to(int number)
{
    ssize_t written = write(number, "e", 1);
    if (written == 1) {
        stage.written++;
    } else {
        CHECK_EQUAL(written, -1);
        CHECK_EQUAL(errno, EPIPE);
        CHECK(role == HOLDER);
    }
}

static void write_to_the_number(void) { write_to(FAILING); }
static void write_to_another_number(void) { write_to(FIRST); }
static void write_elsewhere(void) { converse_with(&stage.elsewhere, stage.bystander); }
static void close_a_number(void) { CHECK_EQUAL(close(LAST), 0); }

static void copy_and_close(void)
{
    int copy = dup(FIRST);
    CHECK(copy >= 0);
    CHECK_EQUAL(close(copy), 0);
}

static void copy_onto_and_close(void)
{
    CHECK_EQUAL(dup2(FIRST, AFTER), AFTER);
    CHECK_EQUAL(close(AFTER), 0);
}

#define ON_HOLDER_AND_WAITER(what) \
    static void what##_on_the_holder(void) { interrupt_the_one_here(what); } \
    static void what##_on_a_waiter(void) { interrupt_a_waiter(what); }

ON_HOLDER_AND_WAITER(write_to_the_number)
ON_HOLDER_AND_WAITER(write_to_another_number)
ON_HOLDER_AND_WAITER(write_elsewhere)
ON_HOLDER_AND_WAITER(close_a_number)
ON_HOLDER_AND_WAITER(copy_and_close)
ON_HOLDER_AND_WAITER(copy_onto_and_close)

#define EVENT(what, ...) \
    { .name = #what "_on_the_holder", .act = what##_on_the_holder, .verify = the_handler_has_run, .by_itself = 1, \
      .variants = VARIANTS, __VA_ARGS__ }, \
    { .name = #what "_on_a_waiter", .act = what##_on_a_waiter, .verify = the_call_goes_on_or_was_interrupted, \
      .by_itself = 1, .variants = VARIANTS, .may_be_interrupted = 1, __VA_ARGS__ }

EVENTS(EVENT(write_to_the_number),
       EVENT(write_to_another_number),
       EVENT(write_elsewhere),
       EVENT(close_a_number, .closed = MEMBER(LAST)),
       EVENT(copy_and_close),
       EVENT(copy_onto_and_close))
