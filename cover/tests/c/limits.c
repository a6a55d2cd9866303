/* How often: the commands of ha_connection_ctrl. */
#define _GNU_SOURCE
#include <stdint.h>

#include "server.h"

/* An integer travels in the pointer itself. */
static void *value(int integer)
{
    return (void *)(intptr_t)integer;
}

static void control(int number, int command, int integer)
{
    CHECK_EQUAL(ha_connection_ctrl(number, command, value(integer)), 0);
}

static void dies_and_comes_back(struct client *client, int number)
{
    server_hang_up(client->server);
    converse(client->server, number);
}

static void dies_for_good(struct client *client, int number)
{
    int before = client->recoveries;
    server_hang_up(client->server);
    meets_the_end(number);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client->recoveries, before);
}

static void a_total_limit_is_for_life_until_its_count_is_reset(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    control(number, HA_RECOVERY_ACOUNT, 2);
    dies_and_comes_back(&client, number);
    dies_and_comes_back(&client, number);
    dies_for_good(&client, number);
    control(number, HA_RECOVERY_RESET_ICOUNT, 0);
    meets_the_end(number);
    /* The count is set to zero, the limit stays. */
    control(number, HA_RECOVERY_RESET_ACOUNT, 0);
    converse(&server, number);
    dies_and_comes_back(&client, number);
    CHECK_EQUAL(client.recoveries, 4);
    dies_for_good(&client, number);
}

/* Recovers to a server that is gone again before the call is issued again. */
static int reconnect_in_vain(int number, void *handle)
{
    struct client *client = handle;
    int reconnected = reconnect(number, client);
    server_hang_up(client->server);
    return reconnected;
}

static void recoveries_in_a_row_are_limited(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, reconnect_in_vain, &client, 0), 0);
    control(number, HA_RECOVERY_ICOUNT, 3);
    server_hang_up(&server);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 3);
    control(number, HA_RECOVERY_RESET_ICOUNT, 0);
    CHECK_EQUAL(ha_attach(number, reconnect, &client, HAREPLACERECOVERYFN), 0);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 4);
}

static void a_call_that_goes_through_ends_the_row(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    control(number, HA_RECOVERY_ICOUNT, 1);
    for (int death = 0; death < 3; death++)
        dies_and_comes_back(&client, number);
    CHECK_EQUAL(client.recoveries, 3);
}

static void a_limit_of_zero_means_never(void)
{
    const int limits[] = { HA_RECOVERY_ACOUNT, HA_RECOVERY_ICOUNT };
    for (int i = 0; i < 2; i++) {
        struct server server;
        server_start(&server, AF_UNIX);
        struct client client = { .server = &server };
        int number = connect_covered(&client);
        control(number, limits[i], 0);
        dies_for_good(&client, number);
    }
}

static void a_negative_limit_means_unlimited(void)
{
    const int limits[] = { HA_RECOVERY_ACOUNT, HA_RECOVERY_ICOUNT };
    for (int i = 0; i < 2; i++) {
        struct server server;
        server_start(&server, AF_UNIX);
        struct client client = { .server = &server };
        int number = connect_covered(&client);
        control(number, limits[i], 0);
        control(number, limits[i], -7);
        for (int death = 0; death < 5; death++)
            dies_and_comes_back(&client, number);
    }
}

/* An `int` that was converted through an unsigned type, and one with something above it. */
static void only_the_low_half_of_the_pointer_counts(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(ha_connection_ctrl(number, HA_RECOVERY_ACOUNT, (void *)0x7f00000000), 0);
    dies_for_good(&client, number);
    CHECK_EQUAL(ha_connection_ctrl(number, HA_RECOVERY_ACOUNT, (void *)0xffffffff), 0);
    converse(&server, number);
}

static void while_suspended_it_is_an_ordinary_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    control(number, HA_RECOVERY_SUSPEND, 0);
    dies_for_good(&client, number);
    control(number, HA_RECOVERY_ENABLE, 0);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void suspending_and_enabling_leave_limits_and_counts_alone(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    control(number, HA_RECOVERY_ACOUNT, 2);
    dies_and_comes_back(&client, number);
    control(number, HA_RECOVERY_SUSPEND, 0);
    control(number, HA_RECOVERY_ENABLE, 0);
    control(number, HA_RECOVERY_ENABLE, 0);
    dies_and_comes_back(&client, number);
    dies_for_good(&client, number);
}

static int refuse(int number, void *handle)
{
    struct client *client = handle;
    client->recoveries++;
    client->failed = number;
    return -1;
}

static void every_invocation_of_the_function_counts(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, refuse, &client, 0), 0);
    control(number, HA_RECOVERY_ACOUNT, 2);
    server_hang_up(&server);
    meets_the_end(number);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 2);
    CHECK_EQUAL(ha_attach(number, reconnect, &client, HAREPLACERECOVERYFN), 0);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 2);
}

static void limits_belong_to_the_connection(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    control(copy, HA_RECOVERY_ACOUNT, 1);
    dies_and_comes_back(&client, number);
    dies_for_good(&client, copy);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 1);
}

MAIN(SCENARIO(a_total_limit_is_for_life_until_its_count_is_reset),
     SCENARIO(recoveries_in_a_row_are_limited),
     SCENARIO(a_call_that_goes_through_ends_the_row),
     SCENARIO(a_limit_of_zero_means_never),
     SCENARIO(a_negative_limit_means_unlimited),
     SCENARIO(only_the_low_half_of_the_pointer_counts),
     SCENARIO(while_suspended_it_is_an_ordinary_number),
     SCENARIO(suspending_and_enabling_leave_limits_and_counts_alone),
     SCENARIO(every_invocation_of_the_function_counts),
     SCENARIO(limits_belong_to_the_connection))
