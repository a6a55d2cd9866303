/*
 * ha/stdio.h: streams on connections that have a recovery function.
 */
#ifndef HA_STDIO_H
#define HA_STDIO_H

#include <stdio.h>

#include <ha/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens a stream as fopen() does, and attaches `rfn` to its descriptor, fileno(stream).
 *
 * A recovery happens underneath the stream: what it has buffered is written once, to the new connection, and its error
 * and end-of-file indicators are as if nothing had happened.
 *
 * Returns the stream, or NULL with an errno of fopen() or ha_attach(). EINVAL: `path` or `mode` is NULL. When attaching
 * fails, the stream has been closed, but a file that `mode` has made is there.
 */
FILE *ha_fopen(const char *path, const char *mode, RFp rfn, void *rhdl, unsigned haflags);

/*
 * Writes what `stream` has buffered, detaches its descriptor, and closes the stream.
 *
 * Returns 0, or EOF with an errno of fclose(); the stream is closed then, too. EINVAL: `stream` is NULL.
 */
int ha_fclose(FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
