/*
 * ha/unistd.h: duplicating and closing connections that have a recovery function.
 */
#ifndef HA_UNISTD_H
#define HA_UNISTD_H

#include <unistd.h>

#include <ha/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Detaches `fd` and closes it. The dups of the connection stay recoverable, the last one takes the function with it.
 *
 * A descriptor that nothing is attached to is just closed. A dead connection is closed without being recovered.
 *
 * Returns what close() has returned, with its errno. EBADF: `fd` is not open.
 */
int ha_close(int fd);

/*
 * Duplicates `oldfd` as dup() does; the new descriptor shares the recovery function, the limits and the counters.
 *
 * Replacing the function through either of them replaces it for both, and recovering one recovers both.
 *
 * Returns the new descriptor, or -1 with an errno of dup(); EBADF also if nothing is attached to `oldfd`, ENOMEM if there
 * is no memory for the table of descriptors.
 */
int ha_dup(int oldfd);

#ifdef __cplusplus
}
#endif

#endif
