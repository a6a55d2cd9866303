/* What tests of streams have in common. */
#ifndef STREAM_H
#define STREAM_H

#include "check.h"

/* The indicators of a stream do not tell of a recovery. */
static inline void is_as_if_nothing_had_happened(FILE *stream)
{
    CHECK_EQUAL(ferror(stream), 0);
    CHECK_EQUAL(feof(stream), 0);
}

/* Lines of text, numbered so that one that is lost or comes twice shows. */
static inline char *lines(int from, int to)
{
    char *text = NULL;
    size_t length;
    FILE *memory = open_memstream(&text, &length);
    for (int line = from; line < to; line++)
        fprintf(memory, "this is line %d\n", line);
    fclose(memory);
    return text;
}

#endif
