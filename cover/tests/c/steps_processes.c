/* Processes are made at every step of an episode. */
#define _GNU_SOURCE
#include <spawn.h>

#include "steps.h"

/* The server that a child shares with its parent dies for the child only where it can be told so. */
static void recovers_in_the_child(void)
{
    alarm(PATIENCE);
    members_converse();
    if (stage.service.medium->cut != NULL) {
        int before = stage.service.recoveries;
        service_dies(&stage.service);
        members_converse();
        CHECK_EQUAL(stage.service.recoveries, before + 1);
    }
    converse_with(&stage.elsewhere, stage.bystander);
    _exit(0);
}

/* Its call has returned in the child as well. */
static void goes_on_in_the_child(void)
{
    if (role == HOLDER)
        CHECK_EQUAL(stage.held, 1);
    else
        CHECK(stage.waited == 1 || (stage.waited == -1 && stage.waited_error == EPIPE));
    check_what_was_heard();
    recovers_in_the_child();
}

static pid_t child;
static int to_child[2], to_parent[2];

static void fork_in_another_thread(void)
{
    child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_IGN);
        recovers_in_the_child();
    }
    ends_well(child);
}

static void fork_and_let_the_child_go_first(void)
{
    child = fork();
    if (child == 0) {
        alarm(PATIENCE);
        signal(SIGPIPE, SIG_IGN);
        stage.in_the_child = goes_on_in_the_child;
        stage.is_child = 1;
        return;
    }
    ends_well(child);
}

static void fork_and_let_the_parent_go_first(void)
{
    char byte = 0;
    CHECK_EQUAL(pipe(to_child), 0);
    CHECK_EQUAL(pipe(to_parent), 0);
    child = fork();
    if (child == 0) {
        alarm(PATIENCE);
        signal(SIGPIPE, SIG_IGN);
        stage.in_the_child = goes_on_in_the_child;
        stage.is_child = 1;
        forget_the_peer(&stage.service);
        forget_the_peer(&stage.elsewhere);
        CHECK_EQUAL(close(to_child[1]), 0);
        CHECK_EQUAL(write(to_parent[1], "f", 1), 1);
        CHECK_EQUAL(read(to_child[0], &byte, 1), 1);
        return;
    }
    /* Nobody but this process holds the server's ends any more. */
    CHECK_EQUAL(read(to_parent[0], &byte, 1), 1);
}

static void the_child_goes_on_now(void)
{
    check_recovery_once_more();
    forget_the_peer(&stage.service);
    forget_the_peer(&stage.elsewhere);
    CHECK_EQUAL(write(to_child[1], "g", 1), 1);
    ends_well(child);
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(close(to_child[i]), 0);
        CHECK_EQUAL(close(to_parent[i]), 0);
    }
    /* Dead in the parent, too. */
    members_converse();
    converse_with(&stage.elsewhere, stage.bystander);
}

/* What runs between vfork and exec shares the parent's memory, the table included. */
static void vfork_and_execute(void)
{
    child = vfork();
    if (child == 0) {
        dup2(FAILING, 0);
        dup2(0, LAST);
        close(FAILING);
        dup(FIRST);
        closefrom(3);
        execl("/bin/true", "true", NULL);
        _exit(127);
    }
    ends_well(child);
}

extern char **environ;

static void spawn(void)
{
    posix_spawn_file_actions_t actions;
    char *arguments[] = { "true", NULL };
    CHECK_EQUAL(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQUAL(posix_spawn_file_actions_adddup2(&actions, FIRST, 1), 0);
    CHECK_EQUAL(posix_spawn_file_actions_addclose(&actions, FAILING), 0);
    CHECK_EQUAL(posix_spawn(&child, "/bin/true", &actions, NULL, arguments, environ), 0);
    CHECK_EQUAL(posix_spawn_file_actions_destroy(&actions), 0);
    ends_well(child);
}

EVENTS({ .name = "another_thread_forks", .act = fork_in_another_thread, .at_once = 1, .may_die_twice = 1 },
       { .name = "the_thread_forks_and_the_child_goes_first", .act = fork_and_let_the_child_go_first, .by_itself = 1,
         .at_once = 1, .may_die_twice = 1 },
       { .name = "the_thread_forks_and_the_parent_goes_first", .act = fork_and_let_the_parent_go_first, .by_itself = 1,
         .at_once = 1, .verify = the_child_goes_on_now },
       { .name = "another_thread_vforks", .act = vfork_and_execute, .at_once = 1 },
       { .name = "the_thread_vforks", .act = vfork_and_execute, .by_itself = 1, .at_once = 1 },
       { .name = "another_thread_spawns", .act = spawn, .at_once = 1 },
       { .name = "the_thread_spawns", .act = spawn, .by_itself = 1, .at_once = 1 })
