/* Who belongs to whom: what attaching, copying and closing make of a connection. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "server.h"

/* A second recovery function, told apart by its name only. */
static int reconnect_otherwise(int number, void *handle)
{
    return reconnect(number, handle);
}

static void replacing_the_function_through_a_dup_replaces_it_for_all(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client first = { .server = &server }, second = { .server = &server };
    int number = connect_covered(&first);
    int copy = ha_dup(number);
    CHECK(copy >= 0);
    CHECK_EQUAL(ha_attach(copy, reconnect_otherwise, &second, HAREPLACERECOVERYFN), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(second.recoveries, 1);
    CHECK_EQUAL(second.failed, number);
    CHECK_EQUAL(first.recoveries, 0);
}

static void the_function_is_told_the_number_that_failed(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    server_hang_up(&server);
    converse(&server, copy);
    CHECK_EQUAL(client.failed, copy);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.failed, number);
}

static void one_recovery_repairs_every_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number), copy_of_copy = ha_dup(copy);
    server_hang_up(&server);
    converse(&server, copy_of_copy);
    converse(&server, number);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
}

static void each_number_keeps_its_own_close_on_exec_flag(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    CHECK_EQUAL(fcntl(number, F_SETFD, FD_CLOEXEC), 0);
    server_hang_up(&server);
    converse(&server, copy);
    CHECK_EQUAL(fcntl(number, F_GETFD), FD_CLOEXEC);
    CHECK_EQUAL(fcntl(copy, F_GETFD), 0);
}

static void the_new_connection_is_as_non_blocking_as_the_old_one(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(fcntl(number, F_SETFL, O_NONBLOCK), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(fcntl(number, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    char byte;
    CHECK_FAILS(read(number, &byte, 1), EAGAIN);
}

static void closing_one_number_leaves_the_other_covered(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    CHECK_EQUAL(ha_close(number), 0);
    server_hang_up(&server);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
}

static void detaching_one_number_leaves_the_other_covered(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    CHECK_EQUAL(ha_detach(number), 0);
    server_hang_up(&server);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 0);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
    meets_the_end(number);
}

static void a_detached_number_can_be_attached_again(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client first = { .server = &server }, second = { .server = &server };
    int number = connect_covered(&first);
    CHECK_EQUAL(ha_detach(number), 0);
    CHECK_EQUAL(ha_attach(number, reconnect, &second, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(first.recoveries, 0);
    CHECK_EQUAL(second.recoveries, 1);
}

static void a_number_used_again_does_not_rejoin(void)
{
    struct server server, stranger;
    server_start(&server, AF_UNIX);
    server_start(&stranger, AF_UNIX);
    struct client client = { .server = &server }, own = { .server = &stranger };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    CHECK_EQUAL(ha_close(number), 0);
    CHECK_EQUAL(server_connect(&stranger), number);
    server_hang_up(&stranger);
    meets_the_end(number);
    CHECK_EQUAL(ha_attach(number, reconnect, &own, 0), 0);
    converse(&stranger, number);
    CHECK_EQUAL(own.recoveries, 1);
    server_hang_up(&server);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
    converse(&stranger, number);
    CHECK_EQUAL(own.recoveries, 1);
}

static void without_a_function_errors_propagate(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, NULL, NULL, 0), 0);
    server_hang_up(&server);
    meets_the_end(number);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(ha_attach(number, reconnect, &client, HAREPLACERECOVERYFN), 0);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_function_can_be_taken_away(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(ha_attach(number, NULL, NULL, HAREPLACERECOVERYFN), 0);
    server_hang_up(&server);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 0);
}

static void a_plain_dup_becomes_a_member(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = dup(number);
    server_hang_up(&server);
    converse(&server, copy);
    CHECK_EQUAL(client.failed, copy);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void attaching_a_plain_dup_gives_it_a_connection_of_its_own(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client first = { .server = &server }, second = { .server = &server };
    int number = connect_covered(&first);
    int copy = dup(number);
    CHECK_EQUAL(ha_attach(copy, reconnect_otherwise, &second, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(first.recoveries, 1);
    CHECK_EQUAL(second.recoveries, 0);
    converse(&server, copy);
    CHECK_EQUAL(first.recoveries, 1);
    CHECK_EQUAL(second.recoveries, 1);
}

static void closing_a_dead_connection_recovers_nothing(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    server_hang_up(&server);
    CHECK_EQUAL(ha_close(number), 0);
    CHECK_EQUAL(close(copy), 0);
    CHECK_EQUAL(client.recoveries, 0);
    CHECK_FAILS(fcntl(number, F_GETFD), EBADF);
    CHECK_FAILS(fcntl(copy, F_GETFD), EBADF);
}

static void an_ordinary_number_is_left_alone(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int covered = connect_covered(&client);
    server_hang_up(&server);
    int ordinary = server_connect(&server);
    server_hang_up(&server);
    meets_the_end(ordinary);
    CHECK_FAILS(send(ordinary, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 0);
    converse(&server, covered);
}

MAIN(SCENARIO(replacing_the_function_through_a_dup_replaces_it_for_all),
     SCENARIO(the_function_is_told_the_number_that_failed),
     SCENARIO(one_recovery_repairs_every_number),
     SCENARIO(each_number_keeps_its_own_close_on_exec_flag),
     SCENARIO(the_new_connection_is_as_non_blocking_as_the_old_one),
     SCENARIO(closing_one_number_leaves_the_other_covered),
     SCENARIO(detaching_one_number_leaves_the_other_covered),
     SCENARIO(a_detached_number_can_be_attached_again),
     SCENARIO(a_number_used_again_does_not_rejoin),
     SCENARIO(without_a_function_errors_propagate),
     SCENARIO(a_function_can_be_taken_away),
     SCENARIO(a_plain_dup_becomes_a_member),
     SCENARIO(attaching_a_plain_dup_gives_it_a_connection_of_its_own),
     SCENARIO(closing_a_dead_connection_recovers_nothing),
     SCENARIO(an_ordinary_number_is_left_alone))
