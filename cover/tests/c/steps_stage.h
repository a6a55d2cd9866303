/* The stage: a thread comes to a moment of its recovery, and an event is made to happen. */
#ifndef STEPS_STAGE_H
#define STEPS_STAGE_H

#include <fcntl.h>
#include <signal.h>

#include "steps_service.h"
#include "thread.h"

/* Exported by a libha that was built with the feature `steps`. */
extern void ha_test_at_every_step(void (*hook)(int step, int number));

/* The members of the connection that dies: far from the numbers that the kernel gives out. */
enum { FIRST = 100, FAILING, LAST, AFTER };

#define MEMBER(number) (1u << ((number) - FIRST))
#define ALL (MEMBER(FIRST) | MEMBER(FAILING) | MEMBER(LAST))

/* The steps as libha counts them, and two in the recovery function. */
enum { CLAIMED, BUSY, OBTAINED, MOVING, MOVED, SETTLED, RETRYING, CALLED, REOPENED };

/* Whether every call on the connection still waits at this step. */
static inline int precedes_the_transplant(int step)
{
    return step == CLAIMED || step == BUSY || step == CALLED || step == REOPENED || step == OBTAINED;
}

/* Who a thread is. */
enum { SPECTATOR, HOLDER, WAITER, ASSISTANT };

static const struct moment {
    const char *name;
    int step;
    /* Which member is being moved; any if 0. */
    int number;
    int of;
} moments[] = {
    { "the gate is claimed", CLAIMED, 0, HOLDER },
    { "every number is busy", BUSY, 0, HOLDER },
    { "the function is called", CALLED, 0, HOLDER },
    { "the function has reopened", REOPENED, 0, HOLDER },
    { "the function has returned", OBTAINED, 0, HOLDER },
    { "the first number is moving", MOVING, FIRST, HOLDER },
    { "the first number has moved", MOVED, FIRST, HOLDER },
    { "the failing number is moving", MOVING, FAILING, HOLDER },
    { "the failing number has moved", MOVED, FAILING, HOLDER },
    { "the last number is moving", MOVING, LAST, HOLDER },
    { "the last number has moved", MOVED, LAST, HOLDER },
    { "all have settled", SETTLED, 0, HOLDER },
    { "the call is to be issued again", RETRYING, 0, HOLDER },
    { "another call is to be issued", RETRYING, 0, WAITER },
};

struct event {
    const char *name;
    void (*act)(void);
    /* What else there is to see afterwards; the server may die once more there. */
    void (*verify)(void);
    /* Whether it is the thread at the step that acts, and not another one. */
    int by_itself;
    /* Whether it must not have to wait for the verdict: the step lasts until it has happened. */
    int at_once;
    /* The members that are closed, that stand for a stranger, that are ordinary, that join another connection, and that
     * get one of their own. */
    unsigned closed, replaced, detached, elsewhere, apart;
    /* How many times each moment is tried, and how many of the moments; all if 0. */
    int variants, moments;
    /* Whether the recovery function does nothing the first time. */
    int function_is_idle;
    /* Whether the waiting call may end with EINTR. */
    int may_be_interrupted;
    /* Whether the server may die once more, by the hand of a child that shares the connection. */
    int may_die_twice;
};

static struct stage {
    const struct moment *moment;
    const struct event *event;
    int variant;
    struct service service, elsewhere;
    int bystander;
    /* What comes under a number that is closed, and where one sees what is written there. */
    int stranger, watch;
    pthread_t holder, waiter, assistant;
    thread_id holder_id, waiter_id, assistant_id;
    ssize_t held, waited;
    int held_error, waited_error;
    int holder_is_cancelled, waiter_is_cancelled;
    _Atomic int has_begun, has_happened, is_over, is_child;
    /* How many bytes an event has written to the connection. */
    _Atomic int written;
    void (*in_the_child)(void);
} stage;

static _Thread_local int role;

/* The state of a thread, as in proc(5); 0 when it has ended. */
static inline char state_of(thread_id *id)
{
    char path[64], line[256];
    while (atomic_load(id) == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(id));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file == -1)
        return 0;
    ssize_t length = read(file, line, sizeof line - 1);
    close(file);
    if (length <= 0)
        return 0;
    line[length] = 0;
    /* It follows the name, which is in parentheses. */
    return strrchr(line, ')')[2];
}

static inline void wait_until_gone(thread_id *id)
{
    while (state_of(id) != 0)
        sched_yield();
}

/* Returns when a thread has ended, or sleeps because it has to wait. */
static inline void let_go_on(thread_id *id)
{
    char state;
    while ((state = state_of(id)) != 0 && state != 'S')
        sched_yield();
}

static inline void run_as(int new_role, thread_id *id)
{
    sigset_t none;
    role = new_role;
    /* Made in the middle of a transplant, it begins with every signal blocked. */
    sigemptyset(&none);
    CHECK_EQUAL(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
    thread_is_here(id);
}

static inline void *hold(void *unused)
{
    run_as(HOLDER, &stage.holder_id);
    stage.held = -2;
    stage.held = write(FAILING, "h", 1);
    stage.held_error = errno;
    if (stage.is_child)
        stage.in_the_child();
    return unused;
}

static inline void *wait_for_the_verdict(void *unused)
{
    run_as(WAITER, &stage.waiter_id);
    stage.waited = -2;
    stage.waited = write(FIRST, "w", 1);
    stage.waited_error = errno;
    if (stage.is_child)
        stage.in_the_child();
    /* It can be sent a signal until all is over. */
    while (!stage.is_over)
        usleep(1000);
    return unused;
}

static inline void *assist(void *unused)
{
    run_as(ASSISTANT, &stage.assistant_id);
    stage.event->act();
    return unused;
}

/* A second thread makes a call on the connection, once. */
static inline void second_call(void)
{
    if (stage.waiter_id != 0)
        return;
    CHECK_EQUAL(pthread_create(&stage.waiter, NULL, wait_for_the_verdict, NULL), 0);
    let_go_on(&stage.waiter_id);
}

static inline void act(void)
{
    int cancellation, error = errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    if (stage.event->by_itself) {
        stage.event->act();
    } else {
        CHECK_EQUAL(pthread_create(&stage.assistant, NULL, assist, NULL), 0);
        if (stage.event->at_once)
            wait_until_gone(&stage.assistant_id);
        else
            let_go_on(&stage.assistant_id);
    }
    pthread_setcancelstate(cancellation, NULL);
    errno = error;
}

static inline void at_a_step(int step, int number)
{
    const struct moment *moment = stage.moment;
    if (moment->of == WAITER && role == HOLDER && step == BUSY) {
        second_call();
        while (stage.event->at_once && !stage.has_happened)
            sched_yield();
    }
    if (role == moment->of && step == moment->step && (moment->number == 0 || number == moment->number) &&
        atomic_exchange(&stage.has_begun, 1) == 0) {
        act();
        stage.has_happened = 1;
    }
}

#endif
