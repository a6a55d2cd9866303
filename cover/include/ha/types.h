/*
 * ha/types.h: the types and constants of libha's client interface.
 */
#ifndef HA_TYPES_H
#define HA_TYPES_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A recovery function: obtains a new connection for `coid`, whose server is gone, and returns `coid`.
 *
 * `coid` is the number that the failed call was made on, which may be any dup of the connection, or another dup if that
 * one has been closed meanwhile; `rhdl` is what was given when the function was attached.
 *
 * Returns
 *   coid           recovered: the new connection is put under every dup of it, and the failed call is issued again;
 *   -1             not recovered: the failed call returns at once, with the error that it had met itself;
 *   anything else  not recovered, whatever that number is. Usually the new connection was not put under the old number:
 *                  use ha_reopen(), or dup2() onto `coid`.
 * What the function leaves in errno does not matter.
 *
 * It runs
 *   - once for all the calls that have failed because of one death, on however many dups and threads;
 *   - on the thread of one of them, while the other ones wait;
 *   - with no lock of libha held, and with cancellation disabled.
 *
 * It may
 *   - call every ha_ function. On `coid` itself: ha_reopen(), and ha_attach() with HAREPLACERECOVERYFN, which counts
 *     from the next failure on;
 *   - look at the dead connection first, as long as it has not opened it again: read what is left, and ask with
 *     ioctl(coid, SIOCOUTQ) how many bytes the peer has never acknowledged;
 *   - do I/O on `coid` once it has been opened again (seek, log in, ask again): this thread gets at the new connection
 *     already, other threads do not. An error met there is returned plainly, it does not start another recovery;
 *   - use other covered connections, which are recovered as usual, down to a depth of 8 recovery functions.
 *
 * It must not
 *   - leave in any way but by returning: no longjmp(), no C++ exception, no pthread_exit();
 *   - wait for a thread that uses the connection, nor take a lock that some thread holds around a call on it: that
 *     thread waits for this function.
 *
 * Covered calls that carry data may be made in signal handlers as the plain ones may, as long as they do not meet a dead
 * server: recovering is not safe there. Nor is closing or copying a number that is covered, which may free and allocate.
 */
typedef int (*RFp)(int coid, void *rhdl);

/* A flag for ha_attach() and the `haflags` of the opening functions: replace the function that is attached already. */
#define HAREPLACERECOVERYFN 0x0001

/* The commands of ha_connection_ctrl(). */
#define HA_RECOVERY_ACOUNT 1       /* limit of recoveries in the life of the connection */
#define HA_RECOVERY_ICOUNT 2       /* limit of recoveries in a row without a call that got through */
#define HA_RECOVERY_SUSPEND 3      /* no recovery for now */
#define HA_RECOVERY_ENABLE 4       /* recovery again */
#define HA_RECOVERY_RESET_ICOUNT 5 /* count the recoveries in a row from zero */
#define HA_RECOVERY_RESET_ACOUNT 6 /* count the recoveries of the connection's life from zero */

#ifdef __cplusplus
}
#endif

#endif
