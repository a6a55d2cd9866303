/* Many threads on one connection: one recovery, and everybody gets its verdict. */
#define _GNU_SOURCE
#include "server.h"
#include "thread.h"

#define THREADS 16

struct crowd {
    struct client client;
    pthread_t threads[THREADS];
    thread_id ids[THREADS];
    _Atomic int next;
    int numbers[4];
    ssize_t results[THREADS];
    int errnos[THREADS];
    /* Whether the recovery function waits until everybody else waits for it. */
    int let_them_gather;
    int answer;
};

static void *read_one_byte(void *argument)
{
    struct crowd *crowd = argument;
    int me = atomic_fetch_add(&crowd->next, 1);
    char byte;
    thread_is_here(&crowd->ids[me]);
    errno = 0;
    crowd->results[me] = read(crowd->numbers[me % 4], &byte, 1);
    crowd->errnos[me] = errno;
    return NULL;
}

static int reconnect_before_a_crowd(int number, void *handle)
{
    struct crowd *crowd = handle;
    for (int i = 0; crowd->let_them_gather && i < THREADS; i++)
        if (atomic_load(&crowd->ids[i]) != syscall(SYS_gettid))
            wait_until_asleep(&crowd->ids[i]);
    if (crowd->answer != 0) {
        crowd->client.recoveries++;
        return crowd->answer;
    }
    return reconnect(number, &crowd->client);
}

static void crowd_start(struct crowd *crowd, struct server *server)
{
    server_start(server, AF_UNIX);
    crowd->client.server = server;
    crowd->numbers[0] = server_connect(server);
    CHECK_EQUAL(ha_attach(crowd->numbers[0], reconnect_before_a_crowd, crowd, 0), 0);
    for (int i = 1; i < 4; i++)
        crowd->numbers[i] = ha_dup(crowd->numbers[i - 1]);
}

static void crowd_reads(struct crowd *crowd)
{
    for (int i = 0; i < THREADS; i++)
        CHECK_EQUAL(pthread_create(&crowd->threads[i], NULL, read_one_byte, crowd), 0);
}

static void crowd_ends(struct crowd *crowd, ssize_t result)
{
    for (int i = 0; i < THREADS; i++)
        CHECK_EQUAL(pthread_join(crowd->threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQUAL(crowd->results[i], result);
        CHECK_EQUAL(crowd->errnos[i], 0);
    }
    CHECK_EQUAL(crowd->client.recoveries, 1);
}

static void sixteen_blocked_threads_fail_at_once_and_one_recovers(void)
{
    struct server server;
    struct crowd crowd = { .let_them_gather = 1 };
    crowd_start(&crowd, &server);
    crowd_reads(&crowd);
    for (int i = 0; i < THREADS; i++)
        wait_until_asleep(&crowd.ids[i]);
    server_hang_up(&server);
    /* They all block again, on the new connection. */
    while (server.peer == -1)
        sched_yield();
    server_says(&server, "0123456789abcdef");
    crowd_ends(&crowd, 1);
}

static void sixteen_threads_that_meet_a_dead_connection_recover_it_once(void)
{
    struct server server;
    struct crowd crowd = { .let_them_gather = 1 };
    crowd_start(&crowd, &server);
    server_hang_up(&server);
    crowd_reads(&crowd);
    while (server.peer == -1)
        sched_yield();
    server_says(&server, "0123456789abcdef");
    crowd_ends(&crowd, 1);
}

static void sixteen_blocked_threads_get_their_own_result_when_it_is_given_up(void)
{
    struct server server;
    struct crowd crowd = { .let_them_gather = 1, .answer = -1 };
    crowd_start(&crowd, &server);
    crowd_reads(&crowd);
    for (int i = 0; i < THREADS; i++)
        wait_until_asleep(&crowd.ids[i]);
    server_hang_up(&server);
    crowd_ends(&crowd, 0);
}

/* Two threads of one connection: one recovers when it is told to, the other one waits for it. */
struct waiting {
    struct client client;
    int go[2];
    int number;
    int copy;
    thread_id recovering;
    thread_id writing;
    ssize_t written;
};

static int reconnect_when_told(int number, void *handle)
{
    struct waiting *waiting = handle;
    char byte;
    thread_is_here(&waiting->recovering);
    CHECK_EQUAL(read(waiting->go[0], &byte, 1), 1);
    return reconnect(number, &waiting->client);
}

static void *write_to_the_copy(void *argument)
{
    struct waiting *waiting = argument;
    CHECK_EQUAL(write(waiting->copy, "c", 1), 1);
    return NULL;
}

static void *write_to_the_number(void *argument)
{
    struct waiting *waiting = argument;
    thread_is_here(&waiting->writing);
    waiting->written = send(waiting->number, "n", 1, MSG_NOSIGNAL);
    return NULL;
}

static void what_waits_on_a_number_that_is_closed_writes_to_nobody_else(void)
{
    struct server server, stranger;
    server_start(&server, AF_UNIX);
    server_start(&stranger, AF_UNIX);
    struct waiting waiting = { .client = { .server = &server } };
    CHECK_EQUAL(pipe(waiting.go), 0);
    waiting.number = server_connect(&server);
    CHECK_EQUAL(ha_attach(waiting.number, reconnect_when_told, &waiting, 0), 0);
    waiting.copy = ha_dup(waiting.number);
    server_hang_up(&server);
    pthread_t recovering, writing;
    CHECK_EQUAL(pthread_create(&recovering, NULL, write_to_the_copy, &waiting), 0);
    wait_until_asleep(&waiting.recovering);
    CHECK_EQUAL(pthread_create(&writing, NULL, write_to_the_number, &waiting), 0);
    wait_until_asleep(&waiting.writing);

    CHECK_EQUAL(close(waiting.number), 0);
    CHECK_EQUAL(server_connect(&stranger), waiting.number);
    CHECK_EQUAL(write(waiting.go[1], "g", 1), 1);
    CHECK_EQUAL(pthread_join(recovering, NULL), 0);
    CHECK_EQUAL(pthread_join(writing, NULL), 0);
    CHECK_EQUAL(waiting.written, -1);
    char byte;
    CHECK_FAILS(recv(stranger.peer, &byte, 1, MSG_DONTWAIT), EAGAIN);
    server_hears(&server, "c");
    converse(&stranger, waiting.number);
    CHECK_EQUAL(waiting.client.recoveries, 1);
}

MAIN(SCENARIO(sixteen_blocked_threads_fail_at_once_and_one_recovers),
     SCENARIO(sixteen_threads_that_meet_a_dead_connection_recover_it_once),
     SCENARIO(sixteen_blocked_threads_get_their_own_result_when_it_is_given_up),
     SCENARIO(what_waits_on_a_number_that_is_closed_writes_to_nobody_else))
