/* A client of the installed library: a stream whose server dies, and what is left of it after fclose(). Linked in both ways. */
#include <ha/cover.h>

#include <sys/socket.h>

#include "check.h"

/* The number whose other end stands for the server, after the first one has died. */
static int second_server;

static int reconnect(int number, void *calls)
{
    int pair[2];
    ++*(int *)calls;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || dup2(pair[0], number) != number || close(pair[0]) != 0)
        return -1;
    second_server = pair[1];
    return number;
}

int main(void)
{
    CHECK_EQUAL(ha_coverage(), HA_COVERS_CALLS | HA_COVERS_STDIO);

    int pair[2], calls = 0;
    CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQUAL(ha_attach(pair[0], reconnect, &calls, 0), 0);
    FILE *stream = fdopen(pair[0], "w");
    CHECK(stream);

    CHECK_EQUAL(close(pair[1]), 0);
    CHECK_EQUAL(fprintf(stream, "%s again", "hello"), 11);
    CHECK_EQUAL(fflush(stream), 0);
    CHECK_EQUAL(calls, 1);
    char text[16] = "";
    CHECK_EQUAL(read(second_server, text, sizeof text), 11);
    CHECK_EQUAL(strcmp(text, "hello again"), 0);

    /* The C library closes the number itself, and libha knows. */
    CHECK_EQUAL(fclose(stream), 0);
    CHECK_EQUAL(dup2(second_server, pair[0]), pair[0]);
    CHECK_FAILS(ha_detach(pair[0]), EBADF);
    puts("recovered");
    return 0;
}
