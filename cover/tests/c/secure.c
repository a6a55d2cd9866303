/* A program that is more than its user: nothing can be attached, and all calls are the plain ones. */
#define _GNU_SOURCE
#include <sys/auxv.h>

#include "server.h"

int main(void)
{
    CHECK_EQUAL(getauxval(AT_SECURE), 1);
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = server_connect(&server);
    converse(&server, number);
    CHECK_FAILS(ha_attach(number, reconnect, &client, 0), EPERM);
    CHECK_FAILS(ha_detach(number), EBADF);
    CHECK_FAILS(ha_dup(number), EBADF);
    CHECK_FAILS(ha_open("/dev/null", O_RDONLY, reconnect, &client, 0), EPERM);
    server_hang_up(&server);
    meets_the_end(number);
    CHECK_EQUAL(ha_close(number), 0);
    printf("plain\n");
    return 0;
}
