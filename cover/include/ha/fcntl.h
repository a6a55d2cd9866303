/*
 * ha/fcntl.h: opening connections with a recovery function, and opening them again.
 */
#ifndef HA_FCNTL_H
#define HA_FCNTL_H

#include <fcntl.h>

#include <ha/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens `path` as open() does, and attaches `rfn` to the new descriptor.
 *
 * The mode, needed when `oflag` has O_CREAT or O_TMPFILE, is the last argument: after `haflags`, not after `oflag`.
 *
 * Returns the new descriptor, or -1 with an errno of open() or ha_attach(). When attaching fails, the new descriptor has
 * been closed, but a file that O_CREAT has made is there.
 */
int ha_open(const char *path, int oflag, RFp rfn, void *rhdl, unsigned haflags, ...);

/* ha_open(), for files of any size. */
int ha_open64(const char *path, int oflag, RFp rfn, void *rhdl, unsigned haflags, ...);

/* ha_open() with O_CREAT, O_WRONLY and O_TRUNC. */
int ha_creat(const char *path, mode_t mode, RFp rfn, void *rhdl, unsigned haflags);

/* ha_creat(), for files of any size. */
int ha_creat64(const char *path, mode_t mode, RFp rfn, void *rhdl, unsigned haflags);

/*
 * Opens `path` and puts it under the number `oldfd`: for recovery functions.
 *
 * What is attached to `oldfd` stays attached. The number is never free in between, so no other thread can be given it.
 * Within a recovery function, called with the number that is being recovered, the new connection is kept aside: this
 * thread's calls on `oldfd` act on it at once, other threads and dups get it when the function has returned `oldfd`.
 * When opening fails, `oldfd` stays as it is.
 *
 * `oflag` is passed to open() as it is, and the mode follows it where O_CREAT is given. A file that the dead server had
 * kept is usually opened without O_CREAT, O_EXCL and O_TRUNC.
 *
 * Returns `oldfd`, or -1 with an errno of open(); EBADF if `oldfd` is negative.
 */
int ha_reopen(int oldfd, const char *path, int oflag, ...);

#ifdef __cplusplus
}
#endif

#endif
