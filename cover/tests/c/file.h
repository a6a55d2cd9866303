/* A file whose descriptor can be lost: closed by libc's own `close`, which libha does not see. */
#ifndef FILE_H
#define FILE_H

#include <dlfcn.h>
#include <fcntl.h>
#include <ha/cover.h>
#include <unistd.h>

#include "check.h"

struct file {
    char path[64];
    /* Where the recovery function goes on. */
    off_t offset;
    int recoveries;
};

/* Makes a file of this content, in the directory of the test. */
static inline void file_make(struct file *file, const char *content, size_t length)
{
    memset(file, 0, sizeof *file);
    strcpy(file->path, "file-XXXXXX");
    int number = mkstemp(file->path);
    CHECK(number >= 0);
    CHECK_EQUAL(write(number, content, length), length);
    CHECK_EQUAL(close(number), 0);
}

/* Loses a number as a server that takes its descriptors away would. */
static inline void lose(int number)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    CHECK(libc != NULL);
    int (*close_of_libc)(int) = (int (*)(int))dlsym(libc, "close");
    CHECK(close_of_libc != NULL);
    CHECK_EQUAL(close_of_libc(number), 0);
}

/* The recovery function: opens the file again, and goes on at the offset. */
static inline int reopen(int number, void *handle)
{
    struct file *file = handle;
    file->recoveries++;
    int reopened = ha_reopen(number, file->path, O_RDONLY);
    if (reopened >= 0 && lseek(reopened, file->offset, SEEK_SET) != file->offset)
        return -1;
    return reopened;
}

#endif
