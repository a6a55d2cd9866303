/*
 * ha/neutrino.h: connections to channels, with a recovery function.
 *
 * These functions come with message passing. This version of libha does not have them: a program that calls one of
 * them compiles, and is refused by the linker.
 */
#ifndef HA_NEUTRINO_H
#define HA_NEUTRINO_H

#include <stdint.h>
#include <sys/types.h>

#include <ha/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Connects to the channel `chid` of the process `pid` on the node `nd`, and attaches `rfn` to the new connection.
 *
 * The node is passed by value, as ConnectAttach() takes it; some manuals of QNX print a pointer here.
 *
 * Returns the connection, or -1 with an errno of ConnectAttach() or ha_attach().
 */
int ha_ConnectAttach(uint32_t nd, pid_t pid, int chid, unsigned index, unsigned flags, RFp rfn, void *rhdl,
                     unsigned haflags);

/* ha_ConnectAttach() that returns the negative of its error, and leaves errno alone. */
int ha_ConnectAttach_r(uint32_t nd, pid_t pid, int chid, unsigned index, unsigned flags, RFp rfn, void *rhdl,
                       unsigned haflags);

/* Detaches `coid` and breaks the connection. Returns -1 with errno on failure, anything else on success. */
int ha_ConnectDetach(int coid);

/* ha_ConnectDetach() that returns its error, or EOK (0), and leaves errno alone. */
int ha_ConnectDetach_r(int coid);

/*
 * Connects again and puts the connection under the number `oldcoid`, whose attachment stays: for recovery functions.
 *
 * Returns `oldcoid`, or -1 with an errno of ConnectAttach().
 */
int ha_ReConnectAttach(int oldcoid, uint32_t nd, pid_t pid, int chid, unsigned index, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
