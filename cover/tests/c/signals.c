/* Signals: a recovery raises none, and a call that is given up raises what the plain call would have raised. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "server.h"

static int refuse(int number, void *handle)
{
    (void)number;
    ((struct client *)handle)->recoveries++;
    errno = ENOSYS;
    return -1;
}

static volatile sig_atomic_t signals_seen;

static void count_signal(int signal)
{
    (void)signal;
    signals_seen++;
}

/* Runs in a child, and returns how it ended. */
static int status_of(void (*run)(void))
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run();
        _exit(0);
    }
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    return status;
}

/* Every way to write to a socket. */
static ssize_t write_it(int number) { return write(number, "?", 1); }
static ssize_t send_it(int number) { return send(number, "?", 1, 0); }
static ssize_t send_it_to(int number) { return sendto(number, "?", 1, 0, NULL, 0); }

static ssize_t write_a_vector(int number)
{
    struct iovec data = { .iov_base = "?", .iov_len = 1 };
    return writev(number, &data, 1);
}

static ssize_t send_a_message(int number)
{
    struct iovec data = { .iov_base = "?", .iov_len = 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
    return sendmsg(number, &message, 0);
}

static ssize_t (*const writers[])(int) = { write_it, send_it, send_it_to, write_a_vector, send_a_message };
static ssize_t (*writer)(int);

static void recovers_without_a_signal(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_hang_up(&server);
    errno = 0;
    CHECK_EQUAL(writer(number), 1);
    CHECK_EQUAL(errno, 0);
    CHECK_EQUAL(client.recoveries, 1);
    sigset_t pending;
    CHECK_EQUAL(sigpending(&pending), 0);
    CHECK_EQUAL(sigismember(&pending, SIGPIPE), 0);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, NULL, &pending), 0);
    CHECK_EQUAL(sigismember(&pending, SIGPIPE), 0);
}

static void a_write_that_recovers_raises_no_signal(void)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        writer = writers[i];
        CHECK_EQUAL(status_of(recovers_without_a_signal), 0);
    }
}

/* What a child that is killed has noted. */
static struct client *noted;

static void is_given_up(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, refuse, noted, 0), 0);
    server_hang_up(&server);
    CHECK_FAILS(writer(number), EPIPE);
}

/* Runs in a child, in which the recovery function is to be called once. */
static int status_of_giving_up(void (*run)(void))
{
    noted = mmap(NULL, sizeof *noted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(noted != MAP_FAILED);
    int status = status_of(run);
    CHECK_EQUAL(noted->recoveries, 1);
    CHECK_EQUAL(munmap(noted, sizeof *noted), 0);
    return status;
}

static void a_write_that_is_given_up_raises_the_signal(void)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        writer = writers[i];
        int status = status_of_giving_up(is_given_up);
        CHECK(WIFSIGNALED(status));
        CHECK_EQUAL(WTERMSIG(status), SIGPIPE);
    }
}

static void is_given_up_with_the_signal_ignored(void)
{
    signal(SIGPIPE, SIG_IGN);
    is_given_up();
}

static void is_given_up_with_a_handler(void)
{
    signal(SIGPIPE, count_signal);
    is_given_up();
    CHECK_EQUAL(signals_seen, 1);
}

static void is_given_up_with_the_signal_blocked(void)
{
    sigset_t pipe_only, pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    CHECK_EQUAL(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL), 0);
    is_given_up();
    CHECK_EQUAL(sigpending(&pending), 0);
    CHECK_EQUAL(sigismember(&pending, SIGPIPE), 1);
}

static void a_write_that_is_given_up_does_as_the_program_says_about_the_signal(void)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        writer = writers[i];
        CHECK_EQUAL(status_of_giving_up(is_given_up_with_the_signal_ignored), 0);
        CHECK_EQUAL(status_of_giving_up(is_given_up_with_a_handler), 0);
        CHECK_EQUAL(status_of_giving_up(is_given_up_with_the_signal_blocked), 0);
    }
}

static void writes_to_an_ordinary_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    int number = server_connect(&server);
    server_hang_up(&server);
    writer(number);
}

static void an_ordinary_write_raises_the_signal(void)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        writer = writers[i];
        int status = status_of(writes_to_an_ordinary_number);
        CHECK(WIFSIGNALED(status));
        CHECK_EQUAL(WTERMSIG(status), SIGPIPE);
    }
}

struct fifo {
    const char *path;
    int reader;
    int recoveries;
};

static int open_the_fifo_again(int number, void *handle)
{
    struct fifo *fifo = handle;
    fifo->recoveries++;
    fifo->reader = open(fifo->path, O_RDONLY | O_NONBLOCK);
    return ha_reopen(number, fifo->path, O_WRONLY);
}

static void a_write_to_a_fifo_without_reader_recovers_without_a_signal(void)
{
    struct fifo fifo = { .path = "fifo" };
    CHECK_EQUAL(mkfifo(fifo.path, 0600), 0);
    fifo.reader = open(fifo.path, O_RDONLY | O_NONBLOCK);
    int number = ha_open(fifo.path, O_WRONLY, open_the_fifo_again, &fifo, 0);
    CHECK(number >= 0);
    CHECK_EQUAL(close(fifo.reader), 0);
    errno = 0;
    CHECK_EQUAL(write(number, "abc", 3), 3);
    CHECK_EQUAL(errno, 0);
    CHECK_EQUAL(fifo.recoveries, 1);
    char heard[4] = "";
    CHECK_EQUAL(read(fifo.reader, heard, sizeof heard), 3);
    CHECK_EQUAL(strcmp(heard, "abc"), 0);
}

static void a_call_that_is_interrupted_says_so(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    struct sigaction action = { .sa_handler = count_signal };
    CHECK_EQUAL(sigaction(SIGALRM, &action, NULL), 0);
    /* Again and again, because the first one may come before the call. */
    struct itimerval often = { .it_interval = { .tv_usec = 20000 }, .it_value = { .tv_usec = 20000 } };
    CHECK_EQUAL(setitimer(ITIMER_REAL, &often, NULL), 0);
    char byte;
    CHECK_FAILS(read(number, &byte, 1), EINTR);
    CHECK_EQUAL(client.recoveries, 0);
}

static int number_for_the_handler;

static void write_from_the_handler(int signal)
{
    (void)signal;
    int before = errno;
    CHECK_EQUAL(write(number_for_the_handler, "h", 1), 1);
    CHECK_EQUAL(close(dup(number_for_the_handler)), 0);
    errno = before;
    signals_seen++;
}

static void a_handler_can_write_to_a_covered_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    number_for_the_handler = connect_covered(&client);
    struct sigaction action = { .sa_handler = write_from_the_handler, .sa_flags = SA_RESTART };
    CHECK_EQUAL(sigaction(SIGALRM, &action, NULL), 0);
    struct itimerval often = { .it_interval = { .tv_usec = 500 }, .it_value = { .tv_usec = 500 } };
    CHECK_EQUAL(setitimer(ITIMER_REAL, &often, NULL), 0);
    char heard[4096];
    while (signals_seen < 50) {
        int copy = dup(number_for_the_handler);
        CHECK_EQUAL(write(copy, "m", 1), 1);
        CHECK_EQUAL(close(copy), 0);
        CHECK(recv(server.peer, heard, sizeof heard, 0) > 0);
    }
    CHECK_EQUAL(client.recoveries, 0);
}

MAIN(SCENARIO(a_write_that_recovers_raises_no_signal),
     SCENARIO(a_write_that_is_given_up_raises_the_signal),
     SCENARIO(a_write_that_is_given_up_does_as_the_program_says_about_the_signal),
     SCENARIO(an_ordinary_write_raises_the_signal),
     SCENARIO(a_write_to_a_fifo_without_reader_recovers_without_a_signal),
     SCENARIO(a_call_that_is_interrupted_says_so),
     SCENARIO(a_handler_can_write_to_a_covered_number))
