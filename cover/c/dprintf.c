/* dprintf(3) and its kin, which Rust cannot define: they are variadic.
 *
 * From glibc 2.37 on they write without a FILE, so the tables that catch stdio do not see them. On a covered number the
 * text is made first and written then, through the cover of write. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* In a program that is linked statically the linker leads the names here: --wrap. */
#ifdef HA_STATIC
#define COVER(name) __wrap_##name
#else
#define COVER(name) name
#endif

int __vasprintf_chk(char **text, int flag, const char *format, va_list arguments);

/* Filled in by src/covers/text.rs when the library starts; before that no number is covered, and the text is made first. */
struct ha_text_functions {
    int (*is_covered)(int fd);
    int (*vdprintf)(int fd, const char *format, va_list arguments);
    int (*vdprintf_chk)(int fd, int flag, const char *format, va_list arguments);
} ha_text_functions;

static int is_plain(int fd)
{
    return ha_text_functions.is_covered && !ha_text_functions.is_covered(fd);
}

/* The thread may be cancelled in write. */
static void free_text(char **text)
{
    int error = errno;
    free(*text);
    errno = error;
}

static int write_all(int fd, char *made, int length)
{
    __attribute__((cleanup(free_text))) char *text = made;
    for (int written = 0; written < length;) {
        ssize_t moved = write(fd, text + written, (size_t)(length - written));
        if (moved < 0)
            return -1;
        written += (int)moved;
    }
    return length;
}

int COVER(vdprintf)(int fd, const char *format, va_list arguments)
{
    char *text;
    if (is_plain(fd) && ha_text_functions.vdprintf)
        return ha_text_functions.vdprintf(fd, format, arguments);
    int length = vasprintf(&text, format, arguments);
    return length < 0 ? length : write_all(fd, text, length);
}

int COVER(__vdprintf_chk)(int fd, int flag, const char *format, va_list arguments)
{
    char *text;
    if (is_plain(fd) && ha_text_functions.vdprintf_chk)
        return ha_text_functions.vdprintf_chk(fd, flag, format, arguments);
    int length = __vasprintf_chk(&text, flag, format, arguments);
    return length < 0 ? length : write_all(fd, text, length);
}

int COVER(dprintf)(int fd, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = COVER(vdprintf)(fd, format, arguments);
    va_end(arguments);
    return length;
}

int COVER(__dprintf_chk)(int fd, int flag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = COVER(__vdprintf_chk)(fd, flag, format, arguments);
    va_end(arguments);
    return length;
}
