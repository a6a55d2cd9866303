/* HC_Panic: in C, as it is variadic. */
#define _GNU_SOURCE
#include "checkpoint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static HC_PanicHook_t hook;

HC_PanicHook_t HC_SetPanicHook(HC_PanicHook_t new_hook)
{
    return __atomic_exchange_n(&hook, new_hook, __ATOMIC_ACQ_REL);
}

static void run_hook(const char *message)
{
    HC_PanicHook_t chosen = __atomic_load_n(&hook, __ATOMIC_ACQUIRE);
    if (chosen != NULL)
        chosen(message);
}

void HC_Panic(HC_Sequence_t *sequence, const char *format, ...)
{
    va_list arguments;
    char *message = NULL;
    (void)sequence;
    va_start(arguments, format);
    if (format == NULL)
        format = "HC_Panic was called without a message\n";
    /* Where it cannot be formatted, or there is no memory for it, the format itself says what there is to say. */
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    va_end(arguments);
    fputs(message != NULL ? message : format, stderr);
    fflush(stderr);
    run_hook(message != NULL ? message : format);
    abort();
}
