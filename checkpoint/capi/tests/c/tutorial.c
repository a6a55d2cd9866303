/* What the tutorial's programs find on this machine: their pipe where the test has it, and a dice of the test's choice. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *place(const char *path)
{
    const char *pipe = getenv("TUTORIAL_PIPE");
    return pipe != NULL && strcmp(path, "/tmp/simple") == 0 ? pipe : path;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = flags & O_CREAT ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return (int)syscall(SYS_openat, AT_FDCWD, place(path), flags, mode);
}

int mkfifo(const char *path, mode_t mode)
{
    return mknod(place(path), mode | S_IFIFO, 0);
}

/* The server writes bad data for a 0 of its dice of 25: for a letter b of TUTORIAL_DICE, one letter for each throw. */
int rand(void)
{
    static size_t throws;
    const char *dice = getenv("TUTORIAL_DICE");
    return dice != NULL && throws < strlen(dice) && dice[throws++] == 'b' ? 0 : 1;
}
