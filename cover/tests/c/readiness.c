/* Waiting for readiness: a dead connection is recovered there, and the wait goes on. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "server.h"

/* How long a wait lasts that is to end without an event. */
#define MOMENT 50

/* Every way to wait for one number to become readable. Returns the number of events, and checks what they are. */
static int wait_by_poll(int number, int milliseconds)
{
    struct pollfd polled = { .fd = number, .events = POLLIN };
    int ready = poll(&polled, 1, milliseconds);
    CHECK_EQUAL(polled.revents, ready > 0 ? POLLIN : 0);
    return ready;
}

static int wait_by_ppoll(int number, int milliseconds)
{
    struct pollfd polled = { .fd = number, .events = POLLIN };
    struct timespec timeout = { .tv_nsec = milliseconds * 1000000L };
    int ready = ppoll(&polled, 1, milliseconds < 0 ? NULL : &timeout, NULL);
    CHECK_EQUAL(polled.revents, ready > 0 ? POLLIN : 0);
    return ready;
}

static int wait_by_select(int number, int milliseconds)
{
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(number, &readable);
    struct timeval timeout = { .tv_usec = milliseconds * 1000L };
    int ready = select(number + 1, &readable, NULL, NULL, milliseconds < 0 ? NULL : &timeout);
    CHECK_EQUAL(FD_ISSET(number, &readable) != 0, ready > 0);
    return ready;
}

static int wait_by_pselect(int number, int milliseconds)
{
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(number, &readable);
    struct timespec timeout = { .tv_nsec = milliseconds * 1000000L };
    int ready = pselect(number + 1, &readable, NULL, NULL, milliseconds < 0 ? NULL : &timeout, NULL);
    CHECK_EQUAL(FD_ISSET(number, &readable) != 0, ready > 0);
    return ready;
}

/* The set that watches the number of the scenario. */
static int epoll;

static void watch(int number)
{
    struct epoll_event wanted = { .events = EPOLLIN, .data.u64 = 0x123456789abcdef };
    epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, number, &wanted), 0);
}

static void is_what_was_watched(const struct epoll_event *happened)
{
    CHECK_EQUAL(happened->events, EPOLLIN);
    CHECK_EQUAL(happened->data.u64, 0x123456789abcdef);
}

static int wait_by_epoll(int number, int milliseconds)
{
    struct epoll_event happened;
    int ready = epoll_wait(epoll, &happened, 1, milliseconds);
    if (ready == 1)
        is_what_was_watched(&happened);
    (void)number;
    return ready;
}

static int wait_by_epoll_pwait(int number, int milliseconds)
{
    struct epoll_event happened;
    int ready = epoll_pwait(epoll, &happened, 1, milliseconds, NULL);
    if (ready == 1)
        is_what_was_watched(&happened);
    (void)number;
    return ready;
}

static int (*const waiters[])(int number, int milliseconds) = {
    wait_by_poll, wait_by_ppoll, wait_by_select, wait_by_pselect, wait_by_epoll, wait_by_epoll_pwait,
};

#define WAITERS (sizeof waiters / sizeof *waiters)

static int reconnect_and_hear(int number, void *handle)
{
    struct client *client = handle;
    int reconnected = reconnect(number, client);
    server_says(client->server, "!");
    return reconnected;
}

static void a_wait_recovers_and_reports_what_the_new_connection_has(void)
{
    for (size_t i = 0; i < WAITERS; i++) {
        struct server server;
        server_start(&server, AF_UNIX);
        struct client client = { .server = &server };
        int number = server_connect(&server);
        CHECK_EQUAL(ha_attach(number, reconnect_and_hear, &client, 0), 0);
        watch(number);
        server_hang_up(&server);
        CHECK_EQUAL(waiters[i](number, -1), 1);
        CHECK_EQUAL(client.recoveries, 1);
        char byte;
        CHECK_EQUAL(read(number, &byte, 1), 1);
        CHECK_EQUAL(waiters[i](number, 0), 0);
    }
}

static void a_wait_goes_on_after_a_recovery_until_its_time_is_up(void)
{
    for (size_t i = 0; i < WAITERS; i++) {
        struct server server;
        server_start(&server, AF_UNIX);
        struct client client = { .server = &server };
        int number = connect_covered(&client);
        watch(number);
        server_hang_up(&server);
        CHECK_EQUAL(waiters[i](number, MOMENT), 0);
        CHECK_EQUAL(client.recoveries, 1);
        converse(&server, number);
    }
}

static void what_a_dead_server_has_said_is_readable_first(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_says(&server, "last");
    server_hang_up(&server);
    struct pollfd polled = { .fd = number, .events = POLLIN };
    CHECK_EQUAL(poll(&polled, 1, -1), 1);
    CHECK(polled.revents & POLLIN);
    char words[5] = "";
    CHECK_EQUAL(read(number, words, 4), 4);
    CHECK_EQUAL(strcmp(words, "last"), 0);
    CHECK_EQUAL(client.recoveries, 0);
    CHECK_EQUAL(wait_by_poll(number, MOMENT), 0);
    CHECK_EQUAL(client.recoveries, 1);
}

static void an_ordinary_number_shows_that_its_server_is_gone(void)
{
    struct server server, stranger;
    server_start(&server, AF_UNIX);
    server_start(&stranger, AF_UNIX);
    struct client client = { .server = &server };
    int covered = connect_covered(&client), ordinary = server_connect(&stranger);
    server_hang_up(&server);
    server_hang_up(&stranger);
    struct pollfd polled[] = { { .fd = covered, .events = POLLIN }, { .fd = ordinary, .events = POLLIN } };
    CHECK_EQUAL(poll(polled, 2, -1), 1);
    CHECK_EQUAL(polled[0].revents, 0);
    CHECK_EQUAL(polled[1].revents, POLLIN | POLLHUP);
}

static int refuse(int number, void *handle)
{
    (void)number;
    ((struct client *)handle)->recoveries++;
    return -1;
}

static void a_connection_that_is_given_up_shows_it(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, refuse, &client, 0), 0);
    server_hang_up(&server);
    struct pollfd polled = { .fd = number, .events = POLLIN };
    CHECK_EQUAL(poll(&polled, 1, -1), 1);
    CHECK_EQUAL(polled.revents, POLLIN | POLLHUP);
    CHECK_EQUAL(client.recoveries, 1);
}

static void registrations_follow_a_connection_that_a_read_recovers(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = dup(number);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event level = { .events = EPOLLIN }, once = { .events = EPOLLIN | EPOLLONESHOT };
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, number, &level), 0);
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &once), 0);
    for (int death = 1; death <= 2; death++) {
        server_hang_up(&server);
        converse(&server, number);
        server_says(&server, "!");
        struct epoll_event happened[4];
        int ready = epoll_wait(epoll, happened, 4, -1);
        /* The one that has fired once stays disarmed. */
        CHECK_EQUAL(ready, death == 1 ? 2 : 1);
        for (int i = 0; i < ready; i++)
            CHECK_EQUAL(happened[i].events, EPOLLIN);
        char byte;
        CHECK_EQUAL(read(number, &byte, 1), 1);
        CHECK_EQUAL(epoll_wait(epoll, happened, 4, 0), 0);
    }
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_DEL, number, NULL), 0);
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_MOD, copy, &once), 0);
    CHECK_EQUAL(client.recoveries, 2);
}

MAIN(SCENARIO(a_wait_recovers_and_reports_what_the_new_connection_has),
     SCENARIO(a_wait_goes_on_after_a_recovery_until_its_time_is_up),
     SCENARIO(what_a_dead_server_has_said_is_readable_first),
     SCENARIO(an_ordinary_number_shows_that_its_server_is_gone),
     SCENARIO(a_connection_that_is_given_up_shows_it),
     SCENARIO(registrations_follow_a_connection_that_a_read_recovers))
