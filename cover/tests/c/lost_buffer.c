/* A program that flushes a stream to a server which has died, and repairs the connection itself if nobody else does.
 *
 * It prints how many bytes the next server has got. Without libha that is none: libc has thrown its buffer away. */
#define _GNU_SOURCE
#include <signal.h>

#include "server.h"

/* There with libha in front, null without. */
#pragma weak ha_attach

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    if (ha_attach != NULL)
        CHECK_EQUAL(ha_attach(number, reconnect, &client, 0), 0);
    FILE *stream = fdopen(number, "w");
    CHECK_EQUAL(fputs("0123456789", stream) >= 0, 1);
    server_hang_up(&server);

    if (fflush(stream) != 0) {
        CHECK_EQUAL(errno, EPIPE);
        CHECK_EQUAL(reconnect(number, &client), number);
        clearerr(stream);
        CHECK_EQUAL(fflush(stream), 0);
    }
    char heard[16];
    ssize_t length = recv(server.peer, heard, sizeof heard, MSG_DONTWAIT);
    printf("%zd of 10 bytes, %d recoveries\n", length < 0 ? 0 : length, client.recoveries);
    return 0;
}
