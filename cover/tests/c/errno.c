/* errno: what a covered call shows of its recovery, which is nothing, and the errors that are no death. */
#define _GNU_SOURCE
#include "file.h"
#include "server.h"

static void a_call_that_recovers_leaves_no_errno_behind(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_hang_up(&server);
    errno = 0;
    CHECK_EQUAL(write(number, "?", 1), 1);
    CHECK_EQUAL(errno, 0);
    server_reset(&server);
    errno = 0;
    CHECK_EQUAL(write(number, "?", 1), 1);
    CHECK_EQUAL(errno, 0);
    CHECK_EQUAL(client.recoveries, 2);
}

static void errno_is_left_alone_by_a_call_that_succeeds(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    errno = EXDEV;
    converse(&server, number);
    CHECK_EQUAL(errno, EXDEV);
    int copy = ha_dup(number);
    CHECK_EQUAL(errno, EXDEV);
    CHECK_EQUAL(ha_attach(copy, reconnect, &client, HAREPLACERECOVERYFN), 0);
    CHECK_EQUAL(ha_close(copy), 0);
    CHECK_EQUAL(errno, EXDEV);

    struct file file;
    file_make(&file, "0123456789", 10);
    int reader = ha_open(file.path, O_RDONLY, reopen, &file, 0);
    char bytes[20];
    errno = EXDEV;
    CHECK_EQUAL(read(reader, bytes, sizeof bytes), 10);
    CHECK_EQUAL(read(reader, bytes, sizeof bytes), 0);
    CHECK_EQUAL(errno, EXDEV);
}

/* No address, which the compiler cannot know. */
static char *volatile nowhere = (char *)1;

static void errors_of_the_caller_recover_nothing(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    char byte;
    CHECK_FAILS(recv(number, &byte, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQUAL(fcntl(number, F_SETFL, O_NONBLOCK), 0);
    CHECK_FAILS(read(number, &byte, 1), EAGAIN);
    server_says(&server, "x");
    CHECK_FAILS(read(number, nowhere, 1), EFAULT);
    CHECK_FAILS(write(number, nowhere, 1), EFAULT);
    CHECK_FAILS(lseek(number, 0, SEEK_SET), ESPIPE);
    CHECK_FAILS(ftruncate(number, 0), EINVAL);
    CHECK_EQUAL(client.recoveries, 0);

    struct file file;
    file_make(&file, "0123456789", 10);
    int reader = ha_open(file.path, O_RDONLY, reopen, &file, 0);
    /* EBADF, but of a number that is open: only its access mode is wrong. */
    CHECK_FAILS(write(reader, "x", 1), EBADF);
    CHECK_FAILS(lseek(reader, -1, SEEK_SET), EINVAL);
    CHECK_EQUAL(lseek(reader, 10, SEEK_SET), 10);
    CHECK_EQUAL(read(reader, &byte, 1), 0);
    CHECK_EQUAL(file.recoveries, 0);
}

MAIN(SCENARIO(a_call_that_recovers_leaves_no_errno_behind),
     SCENARIO(errno_is_left_alone_by_a_call_that_succeeds),
     SCENARIO(errors_of_the_caller_recover_nothing))
