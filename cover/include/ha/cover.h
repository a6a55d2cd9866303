/*
 * ha/cover.h: connections that outlive the server behind them.
 *
 * Attach a recovery function to a descriptor. When a call on it fails because the server is gone, libha runs that
 * function once, puts the new connection under the old number and under every dup of it, and issues the call again.
 * This header is all that a client needs to include; compile with `cc program.c $(pkg-config --cflags --libs ha)`.
 *
 * Calls are the ordinary ones: read(), send(), poll(), fprintf() and so on are covered by libha, which stands in front
 * of the C library. The functions declared here are not cancellation points, are safe in threads, and must not be called
 * in signal handlers. Those that return an int return -1 and set errno when they fail, and have then changed nothing,
 * unless it says otherwise.
 */
#ifndef HA_COVER_H
#define HA_COVER_H

#include <stdio.h>

#include <ha/fcntl.h>
#include <ha/neutrino.h>
#include <ha/stdio.h>
#include <ha/types.h>
#include <ha/unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes the open descriptor `coid` recoverable by `rfn`, which will be called with `rhdl`.
 *
 * `rfn` may be null: failures are then returned as they are, until a function is attached in its place. With
 * HAREPLACERECOVERYFN in `flags`, `rfn` and `rhdl` take the place of those attached, for every dup of the connection;
 * limits and counters stay as they are. Without it, a descriptor that plain dup() or fcntl(F_DUPFD) made from an attached
 * one, and that shares its recovery function therefore, becomes a connection of its own.
 *
 * Returns 0, or -1 with errno:
 *   EBADF   `coid` is not open; or HAREPLACERECOVERYFN was given and no function is attached
 *   EBUSY   a function is attached, and HAREPLACERECOVERYFN was not given
 *   EINVAL  `flags` has a bit that is not known
 *   EPERM   the program is setuid, setgid or has file capabilities, or this is a child made by vfork()
 *   ENOMEM  there is no memory for the table of descriptors
 */
int ha_attach(int coid, RFp rfn, void *rhdl, unsigned flags);

/*
 * Makes `coid` an ordinary descriptor again. Its dups stay recoverable.
 *
 * Closing does this too, be it by ha_close(), close() or dup2().
 *
 * Returns 0, or -1 with errno EBADF: nothing is attached to `coid`.
 */
int ha_detach(int coid);

/*
 * Changes limits and counters of the connection that `coid` and its dups share, or suspends its recovery.
 *
 *   HA_RECOVERY_ACOUNT        `args` is the greatest number of recoveries in the life of the connection. Every run of
 *                             the recovery function counts, also one that did not recover.
 *   HA_RECOVERY_ICOUNT        `args` is the greatest number of recoveries in a row after each of which the call died
 *                             again. A call that gets through begins a new row.
 *   HA_RECOVERY_SUSPEND       The connection fails as an ordinary one would.
 *   HA_RECOVERY_ENABLE        It is recovered again. Limits, counters and function are as before.
 *   HA_RECOVERY_RESET_ICOUNT  Counts the row from zero; the limit stays.
 *   HA_RECOVERY_RESET_ACOUNT  Counts the life from zero; the limit stays.
 *
 * A limit is passed by value, as an int in the place of the pointer: `(void *)(intptr_t)5`. A negative one means no limit,
 * which is what ha_attach() begins with; 0 means no recovery at all. The other commands ignore `args`.
 *
 * Returns 0, or -1 with errno:
 *   EBADF   nothing is attached to `coid`
 *   EINVAL  `command` is none of these
 */
int ha_connection_ctrl(int coid, int command, void *args);

/*
 * Beyond QNX
 */

/* Calls of read(), write() and so on by this program reach libha. */
#define HA_COVERS_CALLS 0x1u
/* What the C library itself reads and writes for its streams (printf(), fgets(), fclose()) reaches libha, too. */
#define HA_COVERS_STDIO 0x2u

/*
 * Tells what libha stands in front of, as HA_COVERS_ bits; both are set when everything is in place.
 *
 * HA_COVERS_CALLS is missing when another library defines the same functions before libha, or when the C library comes
 * first: link with the flags that pkg-config prints. HA_COVERS_STDIO is missing when the C library's stream tables
 * could not be changed. Attached descriptors are then recovered only for the calls that do reach libha.
 */
unsigned ha_coverage(void);

#ifdef __cplusplus
}
#endif

#endif
