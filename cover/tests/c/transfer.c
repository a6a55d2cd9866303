/* Calls that move data: issued again whole, or not at all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "file.h"
#include "server.h"

/* A client whose server has just died. */
static int connect_and_lose(struct client *client, struct server *server)
{
    server_start(server, AF_UNIX);
    memset(client, 0, sizeof *client);
    client->server = server;
    int number = connect_covered(client);
    server_hang_up(server);
    return number;
}

static struct iovec piece(const char *text)
{
    return (struct iovec){ .iov_base = (void *)text, .iov_len = strlen(text) };
}

static void vectors_are_sent_again_whole(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    const struct iovec pieces[] = { piece("one "), piece("two "), piece("three") };
    struct iovec given[3];
    memcpy(given, pieces, sizeof given);
    CHECK_EQUAL(writev(number, given, 3), 13);
    server_hears(&server, "one two three");
    server_hang_up(&server);
    struct msghdr message = { .msg_iov = given, .msg_iovlen = 3 };
    CHECK_EQUAL(sendmsg(number, &message, 0), 13);
    server_hears(&server, "one two three");
    server_hang_up(&server);
    struct mmsghdr messages[2] = { { .msg_hdr = message }, { .msg_hdr = message } };
    CHECK_EQUAL(sendmmsg(number, messages, 2, 0), 2);
    server_hears(&server, "one two threeone two three");
    CHECK_EQUAL(memcmp(given, pieces, sizeof given), 0);
    CHECK_EQUAL(client.recoveries, 3);
}

/* The server that is found says something at once. */
static int reconnect_and_hear(int number, void *handle)
{
    struct client *client = handle;
    int reconnected = reconnect(number, client);
    server_says(client->server, "onetwo");
    return reconnected;
}

static void what_is_read_after_a_recovery_is_all_from_the_new_connection(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    CHECK_EQUAL(ha_attach(number, reconnect_and_hear, &client, HAREPLACERECOVERYFN), 0);
    char first[3], second[3];
    struct iovec pieces[] = { { first, 3 }, { second, 3 } };
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 2 };
    struct mmsghdr messages = { .msg_hdr = message };
    for (int call = 0; call < 3; call++) {
        memset(first, 0, 3);
        memset(second, 0, 3);
        switch (call) {
        case 0: CHECK_EQUAL(readv(number, pieces, 2), 6); break;
        case 1: CHECK_EQUAL(recvmsg(number, &message, 0), 6); break;
        case 2: CHECK_EQUAL(recvmmsg(number, &messages, 1, 0, NULL), 1); break;
        }
        CHECK_EQUAL(memcmp(first, "one", 3), 0);
        CHECK_EQUAL(memcmp(second, "two", 3), 0);
        server_hang_up(&server);
    }
    CHECK_EQUAL(client.recoveries, 3);
}

static void a_peek_takes_nothing_away(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    CHECK_EQUAL(ha_attach(number, reconnect_and_hear, &client, HAREPLACERECOVERYFN), 0);
    char bytes[6];
    CHECK_EQUAL(recv(number, bytes, 6, MSG_PEEK), 6);
    CHECK_EQUAL(recvfrom(number, bytes, 6, 0, NULL, NULL), 6);
    CHECK_EQUAL(memcmp(bytes, "onetwo", 6), 0);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_call_that_wants_all_gets_it_from_one_connection(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, reconnect_and_hear, &client, 0), 0);
    server_says(&server, "ONE");
    server_hang_up(&server);
    char bytes[6];
    CHECK_EQUAL(recv(number, bytes, 6, MSG_WAITALL), 6);
    CHECK_EQUAL(memcmp(bytes, "onetwo", 6), 0);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_request_for_nothing_recovers_nothing(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    char byte;
    CHECK_EQUAL(read(number, &byte, 0), 0);
    CHECK_EQUAL(recv(number, &byte, 0, 0), 0);
    CHECK_EQUAL(client.recoveries, 0);
}

static void after_its_own_shutdown_the_end_is_the_end(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(shutdown(number, SHUT_WR), 0);
    server_hang_up(&server);
    meets_the_end(number);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 0);
}

static void a_socket_that_was_never_connected_is_not_recovered(void)
{
    struct server server;
    server_start(&server, AF_INET);
    struct client client = { .server = &server };
    int number = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQUAL(ha_attach(number, reconnect, &client, 0), 0);
    char byte;
    CHECK_FAILS(read(number, &byte, 1), ENOTCONN);
    CHECK_FAILS(send(number, "?", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQUAL(client.recoveries, 0);
}

static void asking_about_a_dead_connection_recovers_nothing(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int type;
    getpeername(number, (struct sockaddr *)&address, &length);
    length = sizeof type;
    CHECK_EQUAL(getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &length), 0);
    CHECK_EQUAL(client.recoveries, 0);
}

static void a_file_is_sent_again_from_where_it_was(void)
{
    struct server server;
    struct client client;
    struct file file;
    int number = connect_and_lose(&client, &server);
    file_make(&file, "0123456789", 10);
    int source = open(file.path, O_RDONLY);
    CHECK_EQUAL(lseek(source, 2, SEEK_SET), 2);
    CHECK_EQUAL(sendfile(number, source, NULL, 3), 3);
    server_hears(&server, "234");
    CHECK_EQUAL(lseek(source, 0, SEEK_CUR), 5);
    server_hang_up(&server);
    off_t offset = 7;
    CHECK_EQUAL(sendfile(number, source, &offset, 3), 3);
    server_hears(&server, "789");
    CHECK_EQUAL(offset, 10);
    CHECK_EQUAL(client.recoveries, 2);
}

static void a_splice_into_a_dead_socket_loses_nothing(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    int pair[2];
    CHECK_EQUAL(pipe(pair), 0);
    CHECK_EQUAL(write(pair[1], "abc", 3), 3);
    CHECK_EQUAL(splice(pair[0], NULL, number, NULL, 3, 0), 3);
    server_hears(&server, "abc");
    CHECK_EQUAL(client.recoveries, 1);
}

static void text_printed_to_a_dead_number_arrives_whole(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    CHECK_EQUAL(dprintf(number, "%s-%d", "text", 42), 7);
    server_hears(&server, "text-42");
    CHECK_EQUAL(client.recoveries, 1);
}

static void calls_through_syscall_are_covered(void)
{
    struct server server;
    struct client client;
    int number = connect_and_lose(&client, &server);
    CHECK_EQUAL(syscall(SYS_write, number, "abc", 3), 3);
    server_hears(&server, "abc");
    CHECK_EQUAL(client.recoveries, 1);
    errno = 0;
    CHECK_EQUAL(syscall(SYS_getpid), getpid());
    CHECK_FAILS(syscall(100000), ENOSYS);
}

MAIN(SCENARIO(vectors_are_sent_again_whole),
     SCENARIO(what_is_read_after_a_recovery_is_all_from_the_new_connection),
     SCENARIO(a_peek_takes_nothing_away),
     SCENARIO(a_call_that_wants_all_gets_it_from_one_connection),
     SCENARIO(a_request_for_nothing_recovers_nothing),
     SCENARIO(after_its_own_shutdown_the_end_is_the_end),
     SCENARIO(a_socket_that_was_never_connected_is_not_recovered),
     SCENARIO(asking_about_a_dead_connection_recovers_nothing),
     SCENARIO(a_file_is_sent_again_from_where_it_was),
     SCENARIO(a_splice_into_a_dead_socket_loses_nothing),
     SCENARIO(text_printed_to_a_dead_number_arrives_whole),
     SCENARIO(calls_through_syscall_are_covered))
