/* What a recovery function may do, and what its answer means. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>

#include "server.h"

/* Refuses, and leaves an errno of its own. */
static int refuse(int number, void *handle)
{
    struct client *client = handle;
    client->recoveries++;
    client->failed = number;
    errno = ENOSYS;
    return -1;
}

static void minus_one_stops_at_once(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, refuse, &client, 0), 0);
    server_hang_up(&server);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_reset_that_is_given_up_is_reported_as_a_reset(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, refuse, &client, 0), 0);
    CHECK_EQUAL(write(number, "?", 1), 1);
    server_reset(&server);
    char byte;
    CHECK_FAILS(read(number, &byte, 1), ECONNRESET);
    CHECK_EQUAL(client.recoveries, 1);
}

/* Makes a good connection and returns it under another number. */
static int return_another_number(int number, void *handle)
{
    struct client *client = handle;
    client->recoveries++;
    int fresh = server_connect(client->server);
    client->failed = fresh;
    return fresh == number ? -1 : fresh;
}

static void another_number_is_a_failure(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, return_another_number, &client, 0), 0);
    server_hang_up(&server);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 1);
    /* What it made is the program's own, open and ordinary. */
    converse(&server, client.failed);
    server_hang_up(&server);
    meets_the_end(client.failed);
    CHECK_EQUAL(client.recoveries, 1);
}

/* Says that all is well without having done anything. */
static int do_nothing(int number, void *handle)
{
    ((struct client *)handle)->recoveries++;
    return number;
}

static void the_old_number_with_nothing_new_behind_it_is_no_recovery(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, do_nothing, &client, 0), 0);
    CHECK_EQUAL(ha_connection_ctrl(number, HA_RECOVERY_ICOUNT, (void *)5), 0);
    server_hang_up(&server);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(client.recoveries >= 1 && client.recoveries <= 5);
}

/* Logs in over the connection it has just made, under the number that failed. */
static int reconnect_and_log_in(int number, void *handle)
{
    struct client *client = handle;
    if (reconnect(number, client) != number)
        return -1;
    char answer[3] = "";
    CHECK_EQUAL(write(number, "login", 5), 5);
    server_hears(client->server, "login");
    server_says(client->server, "ok");
    CHECK_EQUAL(read(number, answer, 2), 2);
    CHECK_EQUAL(strcmp(answer, "ok"), 0);
    return number;
}

static void the_function_can_talk_over_the_new_connection(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, reconnect_and_log_in, &client, 0), 0);
    int copy = ha_dup(number);
    server_hang_up(&server);
    converse(&server, number);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
}

/* Reads what the dead server had still said. */
static int read_the_last_words(int number, void *handle)
{
    char words[10] = "";
    CHECK_EQUAL(read(number, words, sizeof words), 4);
    CHECK_EQUAL(strcmp(words, "last"), 0);
    return reconnect(number, handle);
}

static void the_function_can_read_what_the_dead_server_had_said(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, read_the_last_words, &client, 0), 0);
    server_says(&server, "last");
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

/* Meets the dead connection itself, before it repairs it. */
static int fail_then_reconnect(int number, void *handle)
{
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    return reconnect(number, handle);
}

static void a_failure_inside_the_function_is_not_recovered_again(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, fail_then_reconnect, &client, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

struct pair {
    struct client client;
    struct client inner;
    int inner_number;
};

static int use_another_connection(int number, void *handle)
{
    struct pair *pair = handle;
    converse(pair->inner.server, pair->inner_number);
    return reconnect(number, &pair->client);
}

static void another_connection_is_recovered_inside_the_function(void)
{
    struct server server, inner;
    server_start(&server, AF_UNIX);
    server_start(&inner, AF_UNIX);
    struct pair pair = { .client = { .server = &server }, .inner = { .server = &inner } };
    pair.inner_number = connect_covered(&pair.inner);
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, use_another_connection, &pair, 0), 0);
    server_hang_up(&server);
    server_hang_up(&inner);
    converse(&server, number);
    CHECK_EQUAL(pair.client.recoveries, 1);
    CHECK_EQUAL(pair.inner.recoveries, 1);
}

/* The next failure is somebody else's work. */
static int hand_over(int number, void *handle)
{
    struct pair *pair = handle;
    CHECK_EQUAL(ha_attach(number, reconnect, &pair->inner, HAREPLACERECOVERYFN), 0);
    return reconnect(number, &pair->client);
}

static void the_function_can_replace_itself(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct pair pair = { .client = { .server = &server }, .inner = { .server = &server } };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, hand_over, &pair, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(pair.client.recoveries, 1);
    CHECK_EQUAL(pair.inner.recoveries, 1);
}

static void *open_anything(void *result)
{
    *(int *)result = open("/dev/null", O_RDONLY);
    return NULL;
}

/* Closes the number as QNX programs do. Nobody else gets it meanwhile. */
static int close_and_reconnect(int number, void *handle)
{
    CHECK_EQUAL(close(number), 0);
    pthread_t thread;
    int opened = -1;
    CHECK_EQUAL(pthread_create(&thread, NULL, open_anything, &opened), 0);
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK(opened >= 0 && opened != number);
    CHECK_EQUAL(close(opened), 0);
    return reconnect(number, handle);
}

static void close_then_dup2_recovers_and_the_number_is_never_free(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, close_and_reconnect, &client, 0), 0);
    int copy = ha_dup(number);
    for (int death = 1; death <= 3; death++) {
        server_hang_up(&server);
        converse(&server, number);
        converse(&server, copy);
        CHECK_EQUAL(client.recoveries, death);
    }
}

/* Counts on getting the lowest free number, which is the one just closed. */
static int close_and_take_the_lowest(int number, void *handle)
{
    struct client *client = handle;
    client->recoveries++;
    close(number);
    int fresh = server_connect(client->server);
    client->failed = fresh;
    return fresh;
}

static void close_then_open_gives_the_same_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, close_and_take_the_lowest, &client, 0), 0);
    for (int death = 1; death <= 3; death++) {
        server_hang_up(&server);
        converse(&server, number);
        CHECK_EQUAL(client.failed, number);
        CHECK_EQUAL(client.recoveries, death);
    }
}

MAIN(SCENARIO(minus_one_stops_at_once),
     SCENARIO(a_reset_that_is_given_up_is_reported_as_a_reset),
     SCENARIO(another_number_is_a_failure),
     SCENARIO(the_old_number_with_nothing_new_behind_it_is_no_recovery),
     SCENARIO(the_function_can_talk_over_the_new_connection),
     SCENARIO(the_function_can_read_what_the_dead_server_had_said),
     SCENARIO(a_failure_inside_the_function_is_not_recovered_again),
     SCENARIO(another_connection_is_recovered_inside_the_function),
     SCENARIO(the_function_can_replace_itself),
     SCENARIO(close_then_dup2_recovers_and_the_number_is_never_free),
     SCENARIO(close_then_open_gives_the_same_number))
