//! The covers: our functions with the names of libc's, by family.
//!
//! | file | whose names |
//! |---|---|
//! | `transmit` | read, write and their kin: at an offset, vectored, checked |
//! | `sockets` | send, recv and their kin |
//! | `copies` | sendfile, splice, tee, vmsplice, copy_file_range: two numbers in one call |
//! | `control` | what asks and changes: seek, stat, sync, truncate, lock, ioctl |
//! | `options` | what asks and changes sockets and terminals |
//! | `create` | what makes numbers |
//! | `streams` | what makes and closes FILEs and DIRs; their data passes through `stdio` |
//! | `duplicate` | dup, fcntl, close: numbers copied and given back |
//! | `readiness` | poll, select, epoll: where a death shows first |
//! | `text` | dprintf |
//! | `process` | daemon, login_tty: numbers replaced inside libc |
//! | `internal` | what stdio calls by private names; only for programs that are linked statically |
//! | `escape` | syscall, and what cannot be covered: aio, io_uring |
//!
//! fork, vfork, exec and the spawning functions need no covers: forked children are taken care of by a fork handler, and in
//! children that share memory or handlers with their parent (vfork, clone, `_Fork`, posix_spawn) every cover that would change the
//! table knows by the process id that it must not.
//!
//! # Safety
//!
//! See the `covers!` macro: a cover passes on what it was given, and its caller keeps the contract of libc's function.
#![allow(unsafe_code)]
// Each cover is one call of an original under one contract, that of libc's function.
#![allow(clippy::multiple_unsafe_ops_per_block)]

pub(crate) mod control;
pub(crate) mod copies;
pub(crate) mod create;
pub(crate) mod duplicate;
pub(crate) mod escape;
#[cfg(feature = "static")]
pub(crate) mod internal;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod quiet;
pub(crate) mod readiness;
pub(crate) mod sockets;
pub(crate) mod streams;
pub(crate) mod text;
pub(crate) mod transmit;

use crate::original::Family;

/// Every original.
pub(crate) const FAMILIES: &[Family] = &[
    control::FAMILY,
    copies::FAMILY,
    create::FAMILY,
    duplicate::FAMILY,
    escape::FAMILY,
    #[cfg(feature = "static")]
    internal::FAMILY,
    options::FAMILY,
    process::FAMILY,
    readiness::FAMILY,
    sockets::FAMILY,
    streams::FAMILY,
    text::FAMILY,
    transmit::FAMILY,
];
