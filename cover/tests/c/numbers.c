/* Plain calls that make, copy and close numbers keep it true which of them are covered. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>

#include "file.h"
#include "server.h"

static void every_kind_of_copy_is_repaired(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    const int copies[] = {
        dup(number),
        dup2(number, 60),
        dup3(number, 61, O_CLOEXEC),
        fcntl(number, F_DUPFD, 62),
        fcntl(number, F_DUPFD_CLOEXEC, 63),
        syscall(SYS_dup, number),
        syscall(SYS_dup3, number, 64, 0),
        syscall(SYS_fcntl, number, F_DUPFD_CLOEXEC, 65),
    };
    const int on_exec[] = { 0, 0, FD_CLOEXEC, 0, FD_CLOEXEC, 0, 0, FD_CLOEXEC };
    server_hang_up(&server);
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        CHECK(copies[i] >= 0);
        converse(&server, copies[i]);
        CHECK_EQUAL(fcntl(copies[i], F_GETFD), on_exec[i]);
    }
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_copy_of_a_dead_number_is_repaired(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_hang_up(&server);
    int copy = dup(number);
    converse(&server, copy);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

typedef int (*closer)(int number);

static int close_by_syscall(int number)
{
    return syscall(SYS_close, number);
}

static int close_as_a_range(int number)
{
    return close_range(number, number, 0);
}

static int close_as_a_range_by_syscall(int number)
{
    return syscall(SYS_close_range, number, number, 0);
}

static int close_as_a_stream(int number)
{
    FILE *stream = fdopen(number, "r+");
    return stream == NULL ? -1 : fclose(stream);
}

static void however_a_number_is_closed_the_next_one_there_is_ordinary(void)
{
    const closer closers[] = {
        close, ha_close, close_by_syscall, close_as_a_range, close_as_a_range_by_syscall, close_as_a_stream,
    };
    for (size_t i = 0; i < sizeof closers / sizeof *closers; i++) {
        struct server server, stranger;
        server_start(&server, AF_UNIX);
        server_start(&stranger, AF_UNIX);
        struct client client = { .server = &server };
        int number = connect_covered(&client);
        int copy = dup(number);
        CHECK_EQUAL(closers[i](number), 0);
        CHECK_EQUAL(server_connect(&stranger), number);
        server_hang_up(&server);
        server_hang_up(&stranger);
        meets_the_end(number);
        CHECK_EQUAL(client.recoveries, 0);
        converse(&server, copy);
        CHECK_EQUAL(client.recoveries, 1);
        meets_the_end(number);
        CHECK_EQUAL(close(copy), 0);
        CHECK_EQUAL(close(number), 0);
    }
}

static void another_description_over_a_member_takes_its_place(void)
{
    struct server server, stranger;
    server_start(&server, AF_UNIX);
    server_start(&stranger, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = dup(number);
    int other = server_connect(&stranger);
    CHECK_EQUAL(dup2(other, number), number);
    converse(&stranger, number);
    server_hang_up(&server);
    server_hang_up(&stranger);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 0);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
    meets_the_end(number);
}

static void one_connection_over_another_changes_sides(void)
{
    struct server first, second;
    server_start(&first, AF_UNIX);
    server_start(&second, AF_UNIX);
    struct client of_first = { .server = &first }, of_second = { .server = &second };
    int number = connect_covered(&of_first), moved = connect_covered(&of_second);
    CHECK_EQUAL(dup2(number, moved), moved);
    server_hang_up(&first);
    converse(&first, moved);
    converse(&first, number);
    CHECK_EQUAL(of_first.recoveries, 1);
    CHECK_EQUAL(of_second.recoveries, 0);
}

static void a_number_copied_onto_itself_stays_covered(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(dup2(number, number), number);
    CHECK_FAILS(dup3(number, number, 0), EINVAL);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_copy_that_fails_changes_nothing(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_FAILS(dup2(-1, number), EBADF);
    CHECK_FAILS(dup2(1000, number), EBADF);
    CHECK_FAILS(dup3(number, 5, ~0), EINVAL);
    CHECK_FAILS(dup2(number, -1), EBADF);
    CHECK_FAILS(close(-1), EBADF);
    CHECK_FAILS(close_range(number, number, ~0u), EINVAL);
    CHECK_FAILS(close_range(number + 1, number, 0), EINVAL);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_range_that_is_to_close_on_exec_stays_open_and_covered(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    CHECK_EQUAL(close_range(number, number, CLOSE_RANGE_CLOEXEC), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
    CHECK_EQUAL(fcntl(number, F_GETFD), FD_CLOEXEC);
}

/* The ways in which daemons and sandboxes close everything they may have inherited. */
static void close_one_by_one(void)
{
    for (int number = 3; number < 2000; number++)
        close(number);
}

static void close_all_at_once(void)
{
    CHECK_EQUAL(close_range(3, ~0u, 0), 0);
}

static void close_from_three(void)
{
    closefrom(3);
}

static void a_program_that_closes_everything_starts_anew(void)
{
    void (*const ways[])(void) = { close_one_by_one, close_all_at_once, close_from_three };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct server server;
        server_start(&server, AF_UNIX);
        struct client before = { .server = &server };
        int number = connect_covered(&before);
        CHECK(ha_dup(number) >= 0);
        ways[i]();
        CHECK_FAILS(fcntl(number, F_GETFD), EBADF);
        server_start(&server, AF_UNIX);
        struct client after = { .server = &server };
        number = connect_covered(&after);
        server_hang_up(&server);
        converse(&server, number);
        CHECK_EQUAL(before.recoveries, 0);
        CHECK_EQUAL(after.recoveries, 1);
        close_all_at_once();
    }
}

static void a_fresh_number_is_ordinary_even_where_a_close_went_unseen(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    lose(number);
    server_hang_up(&server);
    CHECK_EQUAL(open("/dev/null", O_RDONLY), number);
    meets_the_end(number);
    CHECK_EQUAL(client.recoveries, 0);
}

static void a_number_that_arrives_in_a_message_is_ordinary(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int pair[2];
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int sent = open("/dev/null", O_RDONLY);

    char byte = 'x';
    struct iovec data = { .iov_base = &byte, .iov_len = 1 };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes,
    };
    memcpy(CMSG_DATA(&control.header), &sent, sizeof sent);
    CHECK_EQUAL(sendmsg(pair[0], &message, 0), 1);

    int number = connect_covered(&client);
    lose(number);
    server_hang_up(&server);
    /* The server's end is a higher number, so that the message's is the one that was lost. */
    CHECK_EQUAL(recvmsg(pair[1], &message, 0), 1);
    int received;
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    CHECK_EQUAL(received, number);
    meets_the_end(received);
    CHECK_EQUAL(client.recoveries, 0);
}

MAIN(SCENARIO(every_kind_of_copy_is_repaired),
     SCENARIO(a_copy_of_a_dead_number_is_repaired),
     SCENARIO(however_a_number_is_closed_the_next_one_there_is_ordinary),
     SCENARIO(another_description_over_a_member_takes_its_place),
     SCENARIO(one_connection_over_another_changes_sides),
     SCENARIO(a_number_copied_onto_itself_stays_covered),
     SCENARIO(a_copy_that_fails_changes_nothing),
     SCENARIO(a_range_that_is_to_close_on_exec_stays_open_and_covered),
     SCENARIO(a_program_that_closes_everything_starts_anew),
     SCENARIO(a_fresh_number_is_ordinary_even_where_a_close_went_unseen),
     SCENARIO(a_number_that_arrives_in_a_message_is_ordinary))
