/* A server that dies, over a socket or a FIFO: a peer that hears what is written to the connection. */
#ifndef STEPS_SERVICE_H
#define STEPS_SERVICE_H

#include <fcntl.h>
#include <sys/stat.h>

#include "server.h"

struct service {
    const struct medium *medium;
    /* Its peer is the end that hears. */
    struct server server;
    /* Of the FIFO. */
    const char *path;
    _Atomic int recoveries;
};

struct medium {
    const char *name;
    void (*start)(struct service *service);
    /* Connects, and returns the number to write to. */
    int (*connect)(struct service *service);
    /* What a recovery function does to connect again. */
    int (*reopen)(struct service *service, int number);
    /* Ends the connection for every process that shares it; null where that cannot be done. */
    int (*cut)(int peer, int how);
};

static inline void forget_the_peer(struct service *service)
{
    if (service->server.peer != -1)
        server_hang_up(&service->server);
}

static inline void start_a_socket(struct service *service)
{
    server_start(&service->server, AF_UNIX);
}

static inline int connect_a_socket(struct service *service)
{
    forget_the_peer(service);
    int number = server_connect(&service->server);
    CHECK_EQUAL(fcntl(service->server.peer, F_SETFL, O_NONBLOCK), 0);
    return number;
}

static inline int reopen_a_socket(struct service *service, int number)
{
    return put_under(connect_a_socket(service), number);
}

static inline void start_a_fifo(struct service *service)
{
    unlink(service->path);
    CHECK_EQUAL(mkfifo(service->path, 0600), 0);
    service->server.listener = service->server.peer = -1;
}

static inline void read_a_fifo(struct service *service)
{
    forget_the_peer(service);
    service->server.peer = open(service->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(service->server.peer >= 0);
}

static inline int connect_a_fifo(struct service *service)
{
    read_a_fifo(service);
    return open(service->path, O_WRONLY);
}

static inline int reopen_a_fifo(struct service *service, int number)
{
    read_a_fifo(service);
    return ha_reopen(number, service->path, O_WRONLY);
}

static const struct medium media[] = {
    { "socket", start_a_socket, connect_a_socket, reopen_a_socket, shutdown },
    { "FIFO", start_a_fifo, connect_a_fifo, reopen_a_fifo, NULL },
};

static inline void service_start(struct service *service, const struct medium *medium, const char *path)
{
    service->medium = medium;
    service->path = path;
    medium->start(service);
}

static inline void service_dies(struct service *service)
{
    CHECK(service->server.peer != -1);
    if (service->medium->cut != NULL)
        CHECK_EQUAL(service->medium->cut(service->server.peer, SHUT_RDWR), 0);
    server_hang_up(&service->server);
}

static inline void service_end(struct service *service)
{
    forget_the_peer(service);
    if (service->server.listener != -1)
        CHECK_EQUAL(close(service->server.listener), 0);
}

/* Everything that has been written since the last time. */
static inline void hear(struct service *service, char *text, size_t size)
{
    if (service->server.peer == -1)
        return;
    ssize_t length = read(service->server.peer, text, size - 1);
    CHECK(length >= 0 || errno == EAGAIN);
    text[length > 0 ? length : 0] = 0;
}

/* Says something by this number, and the server hears it. */
static inline void converse_with(struct service *service, int number)
{
    char text[64] = "";
    CHECK_EQUAL(write(number, "?", 1), 1);
    hear(service, text, sizeof text);
    CHECK_EQUAL(strcmp(text, "?"), 0);
}

#endif
