/* Other processes: forked, spawned, and made by libc itself. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include "file.h"
#include "server.h"
#include "thread.h"

static void ended_well(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    CHECK_EQUAL(waitpid(child, &status, 0), child);
    CHECK_EQUAL(status, 0);
}

static void a_child_recovers_for_itself_and_so_does_its_parent(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    server_hang_up(&server);
    pid_t child = fork();
    if (child == 0) {
        converse(&server, number);
        CHECK_EQUAL(client.recoveries, 1);
        _exit(0);
    }
    ended_well(child);
    CHECK_EQUAL(client.recoveries, 0);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void what_a_child_does_to_its_numbers_is_its_own_affair(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQUAL(ha_detach(number), 0);
        CHECK_EQUAL(close(number), 0);
        _exit(0);
    }
    ended_well(child);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

struct held {
    struct client client;
    int go[2];
    thread_id holder;
    int is_child;
};

static int reconnect_when_told(int number, void *handle)
{
    struct held *held = handle;
    char byte;
    thread_is_here(&held->holder);
    CHECK_EQUAL(read(held->go[0], &byte, 1), 1);
    return reconnect(number, &held->client);
}

static void *read_a_byte(void *number)
{
    char byte;
    return (void *)read(*(int *)number, &byte, 1);
}

static void a_child_forked_while_another_thread_recovers_recovers_by_itself(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct held held = { .client = { .server = &server } };
    CHECK_EQUAL(pipe(held.go), 0);
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, reconnect_when_told, &held, 0), 0);
    server_hang_up(&server);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, read_a_byte, &number), 0);
    wait_until_asleep(&held.holder);
    pid_t child = fork();
    if (child == 0) {
        int go[2];
        CHECK_EQUAL(pipe(go), 0);
        CHECK_EQUAL(write(go[1], "g", 1), 1);
        held.go[0] = go[0];
        converse(&server, number);
        CHECK_EQUAL(held.client.recoveries, 1);
        _exit(0);
    }
    ended_well(child);
    CHECK_EQUAL(write(held.go[1], "g", 1), 1);
    while (server.peer == -1)
        sched_yield();
    server_says(&server, "!");
    void *result;
    CHECK_EQUAL(pthread_join(thread, &result), 0);
    CHECK_EQUAL((ssize_t)result, 1);
    converse(&server, number);
    CHECK_EQUAL(held.client.recoveries, 1);
}

/* Forks in the middle of the episode: it goes on in both processes, first in the child. */
static int fork_and_reconnect(int number, void *handle)
{
    struct held *held = handle;
    pid_t child = fork();
    held->is_child = child == 0;
    if (child != 0)
        ended_well(child);
    return reconnect(number, &held->client);
}

static void the_recovery_function_can_fork(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct held held = { .client = { .server = &server } };
    int number = server_connect(&server);
    CHECK_EQUAL(ha_attach(number, fork_and_reconnect, &held, 0), 0);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(held.client.recoveries, 1);
    if (held.is_child)
        _exit(0);
}

/* What runs between vfork and exec shares the parent's memory, the table included. */
static void a_vfork_child_leaves_the_table_alone(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    int copy = ha_dup(number);
    pid_t child = vfork();
    if (child == 0) {
        dup2(number, 0);
        dup2(0, copy);
        close(number);
        closefrom(3);
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    ended_well(child);
    server_hang_up(&server);
    converse(&server, number);
    converse(&server, copy);
    CHECK_EQUAL(client.recoveries, 1);
    /* Standard input is no member: it is still what it was. */
    meets_the_end(0);
}

extern char **environ;

static void a_spawned_program_gets_the_number_it_is_given(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    posix_spawn_file_actions_t actions;
    CHECK_EQUAL(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQUAL(posix_spawn_file_actions_adddup2(&actions, number, 1), 0);
    CHECK_EQUAL(posix_spawn_file_actions_addclose(&actions, number), 0);
    char *arguments[] = { "echo", "hello", NULL };
    pid_t child;
    CHECK_EQUAL(posix_spawn(&child, "/bin/echo", &actions, NULL, arguments, environ), 0);
    CHECK_EQUAL(posix_spawn_file_actions_destroy(&actions), 0);
    ended_well(child);
    server_hears(&server, "hello\n");
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void popen_and_system_work(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    char line[32] = "";
    FILE *pipe = popen("cat >/dev/null", "w");
    CHECK(pipe != NULL);
    CHECK(fputs("something\n", pipe) >= 0);
    CHECK_EQUAL(pclose(pipe), 0);
    pipe = popen("echo one; exit 3", "r");
    CHECK(pipe != NULL);
    CHECK(fgets(line, sizeof line, pipe) != NULL);
    CHECK_EQUAL(strcmp(line, "one\n"), 0);
    CHECK_EQUAL(pclose(pipe), 3 << 8);
    CHECK_EQUAL(system("exit 5"), 5 << 8);
    server_hang_up(&server);
    converse(&server, number);
    CHECK_EQUAL(client.recoveries, 1);
}

static void a_daemon_keeps_its_connections_and_loses_its_streams(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int done[2];
    CHECK_EQUAL(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        int number = connect_covered(&client);
        /* Standard output is a connection as well, until `daemon` puts something else there. */
        CHECK_EQUAL(dup2(number, 1), 1);
        CHECK_EQUAL(daemon(1, 0), 0);
        /* Not by closing it: the process that `daemon` has left may hold it still. */
        CHECK_EQUAL(shutdown(server.peer, SHUT_RDWR), 0);
        char byte;
        int well = write(number, "?", 1) == 1 && client.recoveries == 1 && read(1, &byte, 1) == 0;
        CHECK_EQUAL(write(done[1], well ? "y" : "n", 1), 1);
        _exit(0);
    }
    ended_well(child);
    CHECK_EQUAL(close(done[1]), 0);
    char well = 0;
    CHECK_EQUAL(read(done[0], &well, 1), 1);
    CHECK_EQUAL(well, 'y');
}

static void a_program_that_is_executed_gets_an_ordinary_number(void)
{
    struct server server;
    server_start(&server, AF_UNIX);
    struct client client = { .server = &server };
    int number = connect_covered(&client);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQUAL(dup2(number, 1), 1);
        execl("/bin/echo", "echo", "hello", NULL);
        _exit(127);
    }
    ended_well(child);
    server_hears(&server, "hello\n");
}

MAIN(SCENARIO(a_child_recovers_for_itself_and_so_does_its_parent),
     SCENARIO(what_a_child_does_to_its_numbers_is_its_own_affair),
     SCENARIO(a_child_forked_while_another_thread_recovers_recovers_by_itself),
     SCENARIO(the_recovery_function_can_fork),
     SCENARIO(a_vfork_child_leaves_the_table_alone),
     SCENARIO(a_spawned_program_gets_the_number_it_is_given),
     SCENARIO(popen_and_system_work),
     SCENARIO(a_daemon_keeps_its_connections_and_loses_its_streams),
     SCENARIO(a_program_that_is_executed_gets_an_ordinary_number))
