/* A server inside of the program that is its client, so that it dies exactly when a test says so.
 *
 * Connecting and accepting happen in the same thread: the listener's backlog completes the connection in between. */
#ifndef SERVER_H
#define SERVER_H

#include <ha/cover.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

struct server {
    int listener;
    /* The server's end of its newest connection; -1 while there is none. */
    _Atomic int peer;
    struct sockaddr_storage address;
    socklen_t length;
};

/* What `reconnect` is given: where to connect, and a place to note what happened. */
struct client {
    struct server *server;
    int recoveries;
    /* The number that the recovery function was last called with. */
    int failed;
};

/* Starts a server at an address that the kernel chooses. */
static inline void server_start(struct server *server, int family)
{
    memset(server, 0, sizeof *server);
    server->address.ss_family = family;
    server->length = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(struct sockaddr_in);
    if (family == AF_INET)
        ((struct sockaddr_in *)&server->address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server->listener >= 0);
    CHECK_EQUAL(bind(server->listener, (struct sockaddr *)&server->address, server->length), 0);
    CHECK_EQUAL(listen(server->listener, 128), 0);
    server->length = sizeof server->address;
    CHECK_EQUAL(getsockname(server->listener, (struct sockaddr *)&server->address, &server->length), 0);
    server->peer = -1;
}

/* Connects a client, and accepts it. */
static inline int server_connect(struct server *server)
{
    int number = socket(server->address.ss_family, SOCK_STREAM, 0);
    if (number < 0)
        return -1;
    if (connect(number, (struct sockaddr *)&server->address, server->length) != 0) {
        close(number);
        return -1;
    }
    server->peer = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(server->peer >= 0);
    return number;
}

/* Dies with an orderly end: the client reads an end of file, and its writes break. */
static inline void server_hang_up(struct server *server)
{
    int peer = server->peer;
    /* First, because another thread may be recovered before `close` returns. */
    server->peer = -1;
    CHECK_EQUAL(close(peer), 0);
}

/* Dies with a reset. Over a Unix socket that takes a request which the server has not read. */
static inline void server_reset(struct server *server)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    CHECK_EQUAL(setsockopt(server->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    server_hang_up(server);
}

/* Puts a new description under a number as QNX programs do. */
static inline int put_under(int fresh, int number)
{
    if (fresh < 0 || fresh == number)
        return fresh;
    int put = dup2(fresh, number);
    close(fresh);
    return put;
}

/* The recovery function of most tests. */
static inline int reconnect(int number, void *handle)
{
    struct client *client = handle;
    client->recoveries++;
    client->failed = number;
    return put_under(server_connect(client->server), number);
}

/* Connects a client that is covered. */
static inline int connect_covered(struct client *client)
{
    int number = server_connect(client->server);
    CHECK(number >= 0);
    CHECK_EQUAL(ha_attach(number, reconnect, client, 0), 0);
    return number;
}

/* Says something to the client. */
static inline void server_says(struct server *server, const char *text)
{
    CHECK_EQUAL(send(server->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Has the server heard exactly this? */
static inline void server_hears(struct server *server, const char *text)
{
    char heard[256] = "";
    CHECK_EQUAL(recv(server->peer, heard, sizeof heard - 1, 0), strlen(text));
    CHECK_EQUAL(strcmp(heard, text), 0);
}

/* Sends a request by this number, and gets the answer of the server that is there now. */
static inline void converse(struct server *server, int number)
{
    char answer = 0;
    CHECK_EQUAL(write(number, "?", 1), 1);
    server_hears(server, "?");
    server_says(server, "!");
    CHECK_EQUAL(read(number, &answer, 1), 1);
    CHECK_EQUAL(answer, '!');
}

/* An ordinary number meets the end of file of a server that has hung up. */
static inline void meets_the_end(int number)
{
    char byte;
    CHECK_EQUAL(read(number, &byte, 1), 0);
}

#endif
