/* Every ha_* function with every bad argument: the errno that is promised, and nothing changed. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdint.h>

#include "file.h"
#include "server.h"
#include "thread.h"

#define HUGE_NUMBER 0x3fffffff

/* What the bad arguments are made of. */
static int closed, ordinary, attached;
static struct file file;

/* A recovery function that must never run. */
static int never(int number, void *handle)
{
    (void)handle;
    fprintf(stderr, "the recovery function was called for %d\n", number);
    _Exit(1);
}

/* Opening calls return -1 or NULL; all else that a case returns is wrong. */
static int of_stream(FILE *stream)
{
    return stream == NULL ? -1 : 0;
}

/* The calls, and the errno of each. */
#define TABLE(X) \
    X(EBADF, ha_attach(-1, never, NULL, 0)) \
    X(EBADF, ha_attach(INT_MIN, never, NULL, 0)) \
    X(EBADF, ha_attach(INT_MAX, never, NULL, 0)) \
    X(EBADF, ha_attach(HUGE_NUMBER, never, NULL, 0)) \
    X(EBADF, ha_attach(closed, never, NULL, 0)) \
    X(EBADF, ha_attach(-1, NULL, NULL, 0)) \
    X(EBUSY, ha_attach(attached, never, NULL, 0)) \
    X(EBUSY, ha_attach(attached, NULL, NULL, 0)) \
    X(EBADF, ha_attach(ordinary, never, NULL, HAREPLACERECOVERYFN)) \
    X(EBADF, ha_attach(closed, never, NULL, HAREPLACERECOVERYFN)) \
    X(EBADF, ha_attach(-1, never, NULL, HAREPLACERECOVERYFN)) \
    X(EBADF, ha_attach(HUGE_NUMBER, never, NULL, HAREPLACERECOVERYFN)) \
    X(EINVAL, ha_attach(ordinary, never, NULL, 2)) \
    X(EINVAL, ha_attach(ordinary, never, NULL, HAREPLACERECOVERYFN | 0x80000000u)) \
    X(EINVAL, ha_attach(attached, never, NULL, ~0u)) \
    X(EBADF, ha_detach(-1)) \
    X(EBADF, ha_detach(INT_MIN)) \
    X(EBADF, ha_detach(INT_MAX)) \
    X(EBADF, ha_detach(HUGE_NUMBER)) \
    X(EBADF, ha_detach(closed)) \
    X(EBADF, ha_detach(ordinary)) \
    X(EBADF, ha_connection_ctrl(-1, HA_RECOVERY_ACOUNT, NULL)) \
    X(EBADF, ha_connection_ctrl(INT_MIN, HA_RECOVERY_SUSPEND, NULL)) \
    X(EBADF, ha_connection_ctrl(INT_MAX, HA_RECOVERY_ENABLE, NULL)) \
    X(EBADF, ha_connection_ctrl(HUGE_NUMBER, HA_RECOVERY_ICOUNT, NULL)) \
    X(EBADF, ha_connection_ctrl(closed, HA_RECOVERY_RESET_ACOUNT, NULL)) \
    X(EBADF, ha_connection_ctrl(ordinary, HA_RECOVERY_RESET_ICOUNT, NULL)) \
    X(EINVAL, ha_connection_ctrl(attached, 0, NULL)) \
    X(EINVAL, ha_connection_ctrl(attached, 7, NULL)) \
    X(EINVAL, ha_connection_ctrl(attached, -1, NULL)) \
    X(EINVAL, ha_connection_ctrl(attached, INT_MIN, (void *)-1)) \
    X(EFAULT, ha_open(NULL, O_RDONLY, never, NULL, 0)) \
    X(EFAULT, ha_open((char *)1, O_RDONLY, never, NULL, 0)) \
    X(ENOENT, ha_open("", O_RDONLY, never, NULL, 0)) \
    X(ENOENT, ha_open("/nonexistent/file", O_RDONLY, never, NULL, 0)) \
    X(ENOTDIR, ha_open(file.path, O_RDONLY | O_DIRECTORY, never, NULL, 0)) \
    X(EINVAL, ha_open(file.path, O_RDONLY, never, NULL, 4)) \
    X(EBADF, ha_open(file.path, O_RDONLY, never, NULL, HAREPLACERECOVERYFN)) \
    X(EFAULT, ha_open64(NULL, O_RDONLY, never, NULL, 0)) \
    X(ENOENT, ha_open64("/nonexistent/file", O_RDONLY, never, NULL, 0)) \
    X(EINVAL, ha_open64(file.path, O_RDONLY, never, NULL, 4)) \
    X(EBADF, ha_open64(file.path, O_RDONLY, never, NULL, HAREPLACERECOVERYFN)) \
    X(EFAULT, ha_creat(NULL, 0600, never, NULL, 0)) \
    X(ENOENT, ha_creat("/nonexistent/file", 0600, never, NULL, 0)) \
    X(EINVAL, ha_creat(file.path, 0600, never, NULL, 4)) \
    X(EBADF, ha_creat(file.path, 0600, never, NULL, HAREPLACERECOVERYFN)) \
    X(EFAULT, ha_creat64(NULL, 0600, never, NULL, 0)) \
    X(ENOENT, ha_creat64("/nonexistent/file", 0600, never, NULL, 0)) \
    X(EINVAL, ha_creat64(file.path, 0600, never, NULL, 4)) \
    X(EBADF, ha_creat64(file.path, 0600, never, NULL, HAREPLACERECOVERYFN)) \
    X(EBADF, ha_reopen(-1, file.path, O_RDONLY)) \
    X(EBADF, ha_reopen(INT_MIN, file.path, O_RDONLY)) \
    X(EBADF, ha_reopen(INT_MAX, file.path, O_RDONLY)) \
    X(EBADF, ha_reopen(HUGE_NUMBER, file.path, O_RDONLY)) \
    X(EFAULT, ha_reopen(attached, NULL, O_RDONLY)) \
    X(ENOENT, ha_reopen(attached, "", O_RDONLY)) \
    X(ENOENT, ha_reopen(attached, "/nonexistent/file", O_RDONLY)) \
    X(EBADF, ha_close(-1)) \
    X(EBADF, ha_close(INT_MIN)) \
    X(EBADF, ha_close(INT_MAX)) \
    X(EBADF, ha_close(HUGE_NUMBER)) \
    X(EBADF, ha_close(closed)) \
    X(EBADF, ha_dup(-1)) \
    X(EBADF, ha_dup(INT_MIN)) \
    X(EBADF, ha_dup(INT_MAX)) \
    X(EBADF, ha_dup(HUGE_NUMBER)) \
    X(EBADF, ha_dup(closed)) \
    X(EBADF, ha_dup(ordinary)) \
    X(EINVAL, of_stream(ha_fopen(NULL, "r", never, NULL, 0))) \
    X(EINVAL, of_stream(ha_fopen(file.path, NULL, never, NULL, 0))) \
    X(EINVAL, of_stream(ha_fopen(file.path, "q", never, NULL, 0))) \
    X(ENOENT, of_stream(ha_fopen("/nonexistent/file", "r", never, NULL, 0))) \
    X(EINVAL, of_stream(ha_fopen(file.path, "r", never, NULL, 4))) \
    X(EBADF, of_stream(ha_fopen(file.path, "r", never, NULL, HAREPLACERECOVERYFN))) \
    X(EINVAL, ha_fclose(NULL))

static int failures;

static void verify(const char *call, int result, int error, int expected, int before)
{
    int after = open_numbers();
    if (result == -1 && error == expected && after == before)
        return;
    failures++;
    fprintf(stderr, "%s returned %d, errno %d (%s) instead of %d (%s), %+d open numbers\n", call, result, error,
            strerror(error), expected, strerror(expected), after - before);
}

static void every_bad_argument_has_its_errno_and_changes_nothing(void)
{
    struct server server, stranger;
    server_start(&server, AF_UNIX);
    server_start(&stranger, AF_UNIX);
    struct client client = { .server = &server };
    file_make(&file, "0123456789", 10);
    attached = connect_covered(&client);
    ordinary = server_connect(&stranger);
    closed = dup(ordinary);
    CHECK_EQUAL(close(closed), 0);

    int cases = 0;
#define TRY(expected, call) \
    do { \
        int before = open_numbers(); \
        errno = 0; \
        int result = call; \
        verify(#call, result, errno, expected, before); \
        cases++; \
    } while (0);
    TABLE(TRY)
    CHECK_EQUAL(failures, 0);
    printf("%d cases\n", cases);

    /* The one that is attached is as it was, and so is the one that is not. */
    server_hang_up(&server);
    converse(&server, attached);
    CHECK_EQUAL(client.recoveries, 1);
    server_hang_up(&stranger);
    meets_the_end(ordinary);
    CHECK_FAILS(fcntl(closed, F_GETFD), EBADF);
}

static void a_bad_argument_of_a_plain_call_is_libcs_affair(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    const int bad[] = { -1, INT_MIN, INT_MAX, HUGE_NUMBER, 1000 };
    char byte;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(read(bad[i], &byte, 1), EBADF);
        CHECK_FAILS(write(bad[i], &byte, 1), EBADF);
        CHECK_FAILS(lseek(bad[i], 0, SEEK_CUR), EBADF);
        CHECK_FAILS(recv(bad[i], &byte, 1, 0), EBADF);
        CHECK_FAILS(fcntl(bad[i], F_GETFL), EBADF);
        CHECK_FAILS(dup(bad[i]), EBADF);
        CHECK_FAILS(dup2(bad[i], number), EBADF);
        CHECK_FAILS(close(bad[i]), EBADF);
    }
    CHECK_FAILS(open((char *)1, O_RDONLY), EFAULT);
    CHECK_FAILS(fcntl(number, 9999), EINVAL);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_number_at_the_limit_can_be_attached(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int low = server_connect(&server);
    int number = fcntl(low, F_DUPFD, sysconf(_SC_OPEN_MAX) - 1);
    CHECK(number >= 0);
    CHECK_EQUAL(close(low), 0);
    CHECK_EQUAL(ha_attach(number, reconnect, &client, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
    CHECK_FAILS(ha_attach(sysconf(_SC_OPEN_MAX), reconnect, &client, 0), EBADF);
}

static void without_a_number_to_spare_a_dup_says_so(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    while (open("/dev/null", O_RDONLY) >= 0) {
    }
    CHECK_FAILS(ha_dup(number), EMFILE);
    CHECK_FAILS(ha_open("/dev/null", O_RDONLY, never, NULL, 0), EMFILE);
    CHECK(ha_fopen("/dev/null", "r", never, NULL, 0) == NULL);
    CHECK_EQUAL(errno, EMFILE);
    converse(&server, number);
}

MAIN(SCENARIO(every_bad_argument_has_its_errno_and_changes_nothing),
     SCENARIO(a_bad_argument_of_a_plain_call_is_libcs_affair),
     SCENARIO(a_number_at_the_limit_can_be_attached),
     SCENARIO(without_a_number_to_spare_a_dup_says_so))
