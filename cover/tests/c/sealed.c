/* A program whose libc cannot be changed: libha says that streams are not covered, and covers all else. */
#define _GNU_SOURCE
#include <signal.h>

#include "server.h"

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    CHECK_EQUAL(ha_coverage(), HA_COVERS_CALLS);
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);

    /* A stream meets what it would meet without libha. */
    FILE *stream = fdopen(number, "w");
    CHECK(fputs("buffered", stream) >= 0);
    server_hang_up(&server);
    errno = 0;
    CHECK_EQUAL(fflush(stream), EOF);
    CHECK_EQUAL(errno, EPIPE);
    CHECK(ferror(stream));
    CHECK_EQUAL(client.recoveries, 1);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 2);
    printf("calls, not streams\n");
    return 0;
}
