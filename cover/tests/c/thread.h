/* Threads of a test: waiting until one is blocked in the kernel, and counting open numbers. */
#ifndef THREAD_H
#define THREAD_H

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* The kernel's id of a thread, told by itself as soon as it runs. */
typedef _Atomic pid_t thread_id;

static inline void thread_is_here(thread_id *id)
{
    atomic_store(id, (pid_t)syscall(SYS_gettid));
}

/* Returns when the thread sleeps in a system call. */
static inline void wait_until_asleep(thread_id *id)
{
    char path[64], line[256];
    pid_t thread;
    while ((thread = atomic_load(id)) == 0)
        sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    for (;;) {
        int file = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(file >= 0);
        ssize_t length = read(file, line, sizeof line - 1);
        CHECK(length > 0);
        close(file);
        line[length] = 0;
        /* The state follows the name, which is in parentheses. */
        if (strrchr(line, ')')[2] == 'S')
            return;
        sched_yield();
    }
}

/* How many numbers are open. */
static inline int open_numbers(void)
{
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    int count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

#endif
