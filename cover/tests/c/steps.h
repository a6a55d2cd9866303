/* Anything that may happen to a program happens at every step of an episode.
 *
 * A thread writes to a number whose server is dead. When it comes to a certain moment of the recovery, an event is made
 * to happen. Each pair of moment and event is a process of its own. */
#ifndef STEPS_H
#define STEPS_H

#include <sys/wait.h>

#include "steps_stage.h"

/* The recovery function of both connections. */
static inline int reopen(int number, void *handle)
{
    struct service *service = handle;
    service->recoveries++;
    at_a_step(CALLED, number);
    int is_idle = stage.event->function_is_idle && service == &stage.service && service->recoveries == 1;
    int reopened = is_idle ? number : service->medium->reopen(service, number);
    at_a_step(REOPENED, number);
    return reopened;
}

static inline int copy_to(int number, int target)
{
    int copy = fcntl(number, F_DUPFD, target);
    CHECK_EQUAL(copy, target);
    return copy;
}

/* Connects the members. */
static inline void connect_members(void)
{
    int number = stage.service.medium->connect(&stage.service);
    CHECK(number >= 0);
    copy_to(number, FIRST);
    CHECK_EQUAL(close(number), 0);
    CHECK_EQUAL(ha_attach(FIRST, reopen, &stage.service, 0), 0);
    copy_to(FIRST, FAILING);
    copy_to(FIRST, LAST);
}

static inline int is_member(int number)
{
    const struct event *event = stage.event;
    unsigned others = event->closed | event->replaced | event->detached | event->elsewhere | event->apart;
    return (MEMBER(number) & others) == 0;
}

static inline void members_converse(void)
{
    for (int number = FIRST; number <= LAST; number++)
        if (is_member(number))
            converse_with(&stage.service, number);
}

/* A call has returned this: it has got through, or there is a reason why it has not. */
static inline void check_result(int number, ssize_t result, int error)
{
    if (result == 1)
        return;
    CHECK_EQUAL(result, -1);
    if (stage.event->may_be_interrupted && error == EINTR)
        return;
    CHECK(!is_member(number) || stage.event->function_is_idle);
    CHECK(error == EPIPE || error == EBADF);
}

static inline int count(const char *text, char byte)
{
    int times = 0;
    for (; *text != 0; text++)
        times += *text == byte;
    return times;
}

/* Every write that has succeeded has arrived, and no other. */
static inline void check_what_was_heard(void)
{
    char text[64] = "";
    hear(&stage.service, text, sizeof text);
    CHECK_EQUAL(count(text, 'h'), stage.held == 1);
    CHECK_EQUAL(count(text, 'w'), stage.waited == 1);
    CHECK_EQUAL(count(text, 'e'), stage.written);
    CHECK_EQUAL(strlen(text), (stage.held == 1) + (stage.waited == 1) + stage.written);
}

static inline void check_numbers(void)
{
    const struct event *event = stage.event;
    char text[64] = "";
    CHECK_FAILS(recv(stage.watch, text, sizeof text, MSG_DONTWAIT), EAGAIN);
    for (int number = FIRST; number <= LAST; number++) {
        if (event->closed & MEMBER(number))
            CHECK_FAILS(fcntl(number, F_GETFD), EBADF);
        if (event->replaced & MEMBER(number)) {
            CHECK_EQUAL(write(number, "stranger", 8), 8);
            CHECK_EQUAL(recv(stage.watch, text, sizeof text, MSG_DONTWAIT), 8);
        }
        if (event->elsewhere & MEMBER(number))
            converse_with(&stage.elsewhere, number);
    }
}

static inline void check_recovery_once_more(void)
{
    const struct event *event = stage.event;
    if ((event->closed & ALL) == ALL)
        connect_members();
    int before = stage.service.recoveries;
    service_dies(&stage.service);
    for (int number = FIRST; number <= LAST; number++)
        if (event->detached & MEMBER(number))
            CHECK_FAILS(write(number, "?", 1), EPIPE);
    CHECK_EQUAL(stage.service.recoveries, before);
    if ((event->closed & ALL) == ALL)
        converse_with(&stage.service, FAILING);
    members_converse();
    CHECK_EQUAL(stage.service.recoveries, before + 1);
    before = stage.elsewhere.recoveries;
    service_dies(&stage.elsewhere);
    converse_with(&stage.elsewhere, stage.bystander);
    CHECK_EQUAL(stage.elsewhere.recoveries, before + 1);
}

static inline void close_everything(void)
{
    int are_connected_again = (stage.event->closed & ALL) == ALL;
    for (int number = FIRST; number <= LAST; number++)
        if (are_connected_again || (stage.event->closed & MEMBER(number)) == 0)
            CHECK_EQUAL(close(number), 0);
    CHECK_EQUAL(close(stage.bystander), 0);
    CHECK_EQUAL(close(stage.stranger), 0);
    CHECK_EQUAL(close(stage.watch), 0);
    service_end(&stage.service);
    service_end(&stage.elsewhere);
}

/* Tells whether the thread was cancelled. */
static inline int join(pthread_t thread)
{
    void *result;
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    return result == PTHREAD_CANCELED;
}

/* One event at one moment. */
static inline void play(const struct medium *medium)
{
    int pair[2], open = open_numbers();
    service_start(&stage.service, medium, "fifo");
    service_start(&stage.elsewhere, medium, "other");
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    stage.stranger = pair[0];
    stage.watch = pair[1];
    stage.bystander = medium->connect(&stage.elsewhere);
    CHECK_EQUAL(ha_attach(stage.bystander, reopen, &stage.elsewhere, 0), 0);
    connect_members();
    /* Who gives up raises it. */
    if (!is_member(FAILING) || !is_member(FIRST) || !is_member(LAST))
        signal(SIGPIPE, SIG_IGN);
    service_dies(&stage.service);

    ha_test_at_every_step(at_a_step);
    CHECK_EQUAL(pthread_create(&stage.holder, NULL, hold, NULL), 0);
    stage.holder_is_cancelled = join(stage.holder);
    if (stage.assistant_id != 0)
        CHECK(!join(stage.assistant));
    stage.is_over = 1;
    if (stage.waiter_id != 0)
        stage.waiter_is_cancelled = join(stage.waiter);
    CHECK(stage.has_happened);

    if (!stage.holder_is_cancelled)
        check_result(FAILING, stage.held, stage.held_error);
    if (stage.waiter_id != 0 && !stage.waiter_is_cancelled)
        check_result(FIRST, stage.waited, stage.waited_error);
    check_what_was_heard();
    check_numbers();
    members_converse();
    CHECK(stage.service.recoveries <= 1 + stage.event->may_die_twice + stage.event->function_is_idle);
    CHECK(stage.service.recoveries >= ((stage.event->closed & ALL) != ALL));
    if (stage.event->verify != NULL)
        stage.event->verify();
    check_recovery_once_more();
    close_everything();
    CHECK_EQUAL(open_numbers(), open);
}

/* A child ends well. */
static inline void ends_well(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

/* After so many seconds a process counts as hanging. */
#define PATIENCE 30

static inline int play_in_a_child(const struct medium *medium)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(PATIENCE);
        play(medium);
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    if (status != 0)
        fprintf(stderr, "%s, when %s, over a %s (variant %d): %s %d\n", stage.event->name, stage.moment->name,
                medium->name, stage.variant, WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return status == 0;
}

/* One event at every moment. */
static inline int play_everywhere(const struct event *event)
{
    int failures = 0;
    size_t count = event->moments != 0 ? (size_t)event->moments : sizeof moments / sizeof *moments;
    stage.event = event;
    for (size_t medium = 0; medium < sizeof media / sizeof *media; medium++)
        for (size_t moment = 0; moment < count; moment++)
            for (int variant = 0; variant < event->variants || variant == 0; variant++) {
                stage.moment = &moments[moment];
                stage.variant = variant;
                failures += !play_in_a_child(&media[medium]);
            }
    return failures == 0;
}

/* Plays the event that the first argument names; `--list` prints the names. */
static inline int play_events(const struct event *events, size_t count, int argc, char **argv)
{
    CHECK_EQUAL(argc, 2);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[1], "--list") == 0)
            puts(events[i].name);
        else if (strcmp(argv[1], events[i].name) == 0)
            return play_everywhere(&events[i]) ? 0 : 1;
    }
    return strcmp(argv[1], "--list") == 0 ? 0 : 2;
}

#define EVENTS(...) \
    int main(int argc, char **argv) \
    { \
        static const struct event events[] = { __VA_ARGS__ }; \
        return play_events(events, sizeof events / sizeof *events, argc, argv); \
    }

#endif
