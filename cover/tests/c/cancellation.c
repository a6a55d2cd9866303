/* pthread_cancel: a covered cancellation point is one, and leaves nothing behind. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "server.h"
#include "thread.h"

struct victim {
    struct client client;
    int number;
    void (*block)(int number);
    thread_id id;
    pthread_t thread;
};

static void block_in_read(int number) { char byte; read(number, &byte, 1); }
static void block_in_recv(int number) { char byte; recv(number, &byte, 1, 0); }
static void block_in_recvfrom(int number) { char byte; recvfrom(number, &byte, 1, 0, NULL, NULL); }

static void block_in_readv(int number)
{
    char byte;
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    readv(number, &data, 1);
}

static void block_in_recvmsg(int number)
{
    char byte;
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
    recvmsg(number, &message, 0);
}

static void block_in_recvmmsg(int number)
{
    char byte;
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    struct mmsghdr messages = { .msg_hdr = { .msg_iov = &data, .msg_iovlen = 1 } };
    recvmmsg(number, &messages, 1, 0, NULL);
}

/* Its stream stays open, like the number. */
static void block_in_fgetc(int number)
{
    fgetc(fdopen(number, "r"));
}

static void block_in_poll(int number)
{
    struct pollfd polled = { .fd = number, .events = POLLIN };
    poll(&polled, 1, -1);
}

static void block_in_ppoll(int number)
{
    struct pollfd polled = { .fd = number, .events = POLLIN };
    ppoll(&polled, 1, NULL, NULL);
}

static void block_in_select(int number)
{
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(number, &readable);
    select(number + 1, &readable, NULL, NULL, NULL);
}

static void block_in_pselect(int number)
{
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(number, &readable);
    pselect(number + 1, &readable, NULL, NULL, NULL, NULL);
}

static int epoll;

static void block_in_epoll_wait(int number)
{
    struct epoll_event happened;
    (void)number;
    epoll_wait(epoll, &happened, 1, -1);
}

static void block_in_epoll_pwait(int number)
{
    struct epoll_event happened;
    (void)number;
    epoll_pwait(epoll, &happened, 1, -1, NULL);
}

/* The buffer of the socket is full already. */
static void block_in_write(int number) { write(number, "?", 1); }
static void block_in_send(int number) { send(number, "?", 1, 0); }

static void block_in_sendmsg(int number)
{
    struct iovec data = { .iov_base = "?", .iov_len = 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
    sendmsg(number, &message, 0);
}

static void block_in_sendto(int number) { sendto(number, "?", 1, 0, NULL, 0); }

static void block_in_writev(int number)
{
    struct iovec data = { .iov_base = "?", .iov_len = 1 };
    writev(number, &data, 1);
}

/* A pipe that has something in it. */
static int source[2];

static void block_in_splice(int number)
{
    splice(source[0], NULL, number, NULL, 1, 0);
}

static void (*const readers[])(int) = {
    block_in_read,    block_in_recv,       block_in_recvfrom,    block_in_readv,  block_in_recvmsg,
    block_in_recvmmsg, block_in_poll,      block_in_ppoll,       block_in_select, block_in_pselect,
    block_in_epoll_wait, block_in_epoll_pwait, block_in_fgetc,
};

static void (*const writers[])(int) = {
    block_in_write, block_in_send, block_in_sendto, block_in_writev, block_in_sendmsg, block_in_splice,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void fill(int number)
{
    static char block[4096];
    while (send(number, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    }
}

static void *be_a_victim(void *argument)
{
    struct victim *victim = argument;
    thread_is_here(&victim->id);
    victim->block(victim->number);
    fprintf(stderr, "the call has returned\n");
    _Exit(1);
}

static void victim_start(struct victim *victim)
{
    CHECK_EQUAL(pthread_create(&victim->thread, NULL, be_a_victim, victim), 0);
}

static void victim_ends(struct victim *victim)
{
    void *result;
    CHECK_EQUAL(pthread_cancel(victim->thread), 0);
    CHECK_EQUAL(pthread_join(victim->thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
}

static void connection_of(struct victim *victim, struct server *server)
{
    server_start(server, AF_UNIX);
    victim->client.server = server;
    victim->number = connect_covered(&victim->client);
    CHECK_EQUAL(pipe(source), 0);
    CHECK_EQUAL(write(source[1], "?", 1), 1);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = { .events = EPOLLIN };
    CHECK_EQUAL(epoll_ctl(epoll, EPOLL_CTL_ADD, victim->number, &wanted), 0);
}

static void is_still_recovered(struct victim *victim, int recoveries)
{
    server_hang_up(victim->client.server);
    converse(victim->client.server, victim->number);
    CHECK_EQUAL(victim->client.recoveries, recoveries);
}

static void is_cancelled(void (*block)(int), int is_full)
{
    struct server server;
    struct victim victim = { .block = block };
    connection_of(&victim, &server);
    if (is_full)
        fill(victim.number);
    int before = open_numbers();
    victim_start(&victim);
    wait_until_asleep(&victim.id);
    victim_ends(&victim);
    CHECK_EQUAL(open_numbers(), before);
    is_still_recovered(&victim, 1);
    CHECK_EQUAL(open_numbers(), before);
}

static void a_thread_that_is_blocked_in_any_call_ends_and_leaves_nothing(void)
{
    for (size_t i = 0; i < COUNT(readers); i++)
        is_cancelled(readers[i], 0);
    for (size_t i = 0; i < COUNT(writers); i++)
        is_cancelled(writers[i], 1);
}

static void a_thread_that_is_blocked_again_after_a_recovery_ends_and_leaves_nothing(void)
{
    for (size_t i = 0; i < COUNT(readers); i++) {
        struct server server;
        struct victim victim = { .block = readers[i] };
        connection_of(&victim, &server);
        int before = open_numbers();
        victim_start(&victim);
        wait_until_asleep(&victim.id);
        server_hang_up(&server);
        while (server.peer == -1)
            sched_yield();
        wait_until_asleep(&victim.id);
        victim_ends(&victim);
        CHECK_EQUAL(open_numbers(), before);
        is_still_recovered(&victim, 2);
        CHECK_EQUAL(open_numbers(), before);
    }
}

/* A recovery that goes on until it is told to end. */
struct held {
    struct victim holder;
    struct victim waiter;
    int go[2];
    thread_id recovering;
    /* How many numbers were open before. */
    int open;
};

static int reconnect_when_told(int number, void *handle)
{
    struct held *held = handle;
    char byte;
    thread_is_here(&held->recovering);
    CHECK_EQUAL(read(held->go[0], &byte, 1), 1);
    return reconnect(number, &held->holder.client);
}

static void recovery_start(struct held *held, struct server *server)
{
    server_start(server, AF_UNIX);
    CHECK_EQUAL(pipe(held->go), 0);
    held->holder.client.server = server;
    held->holder.number = server_connect(server);
    CHECK_EQUAL(ha_attach(held->holder.number, reconnect_when_told, held, 0), 0);
    held->holder.block = block_in_read;
    held->waiter = held->holder;
    held->open = open_numbers();
    server_hang_up(server);
    victim_start(&held->holder);
    wait_until_asleep(&held->recovering);
}

static void a_thread_that_waits_for_a_recovery_ends_and_leaves_nothing(void)
{
    struct server server;
    struct held held = { .recovering = 0 };
    recovery_start(&held, &server);
    victim_start(&held.waiter);
    wait_until_asleep(&held.waiter.id);
    victim_ends(&held.waiter);
    CHECK_EQUAL(write(held.go[1], "g", 1), 1);
    while (server.peer == -1)
        sched_yield();
    wait_until_asleep(&held.holder.id);
    victim_ends(&held.holder);
    CHECK_EQUAL(open_numbers(), held.open);
    converse(&server, held.holder.number);
    CHECK_EQUAL(held.holder.client.recoveries, 1);
}

static void a_recovery_function_is_not_cancelled_but_its_call_is(void)
{
    struct server server;
    struct held held = { .recovering = 0 };
    recovery_start(&held, &server);
    CHECK_EQUAL(pthread_cancel(held.holder.thread), 0);
    CHECK_EQUAL(write(held.go[1], "g", 1), 1);
    void *result;
    CHECK_EQUAL(pthread_join(held.holder.thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK_EQUAL(held.holder.client.recoveries, 1);
    CHECK_EQUAL(open_numbers(), held.open);
    converse(&server, held.holder.number);
    CHECK_EQUAL(held.holder.client.recoveries, 1);
}

MAIN(SCENARIO(a_thread_that_is_blocked_in_any_call_ends_and_leaves_nothing),
     SCENARIO(a_thread_that_is_blocked_again_after_a_recovery_ends_and_leaves_nothing),
     SCENARIO(a_thread_that_waits_for_a_recovery_ends_and_leaves_nothing),
     SCENARIO(a_recovery_function_is_not_cancelled_but_its_call_is))
