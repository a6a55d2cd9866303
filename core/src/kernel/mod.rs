//! What libha asks of the kernel, one idea per file.
//!
//! Everything here goes through `rustix` and, for what that lacks, `syscalls`, which issue the instruction themselves, or
//! through libc's signal and thread functions: a call made by the engine must not enter the engine by way of a covered
//! name, and libha covers `syscall` too.

pub(crate) mod cancellation;
pub(crate) mod description;
pub(crate) mod epoll;
pub mod errno;
pub(crate) mod kick;
pub(crate) mod kind;
pub(crate) mod mount;
pub(crate) mod path;
pub(crate) mod placement;
pub(crate) mod proc_file;
pub(crate) mod quiet_write;
pub(crate) mod remote;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod socket_options;
pub(crate) mod sockopt;

pub(crate) use cancellation::{Uncancellable, cancel_here};
pub(crate) use description::{
    borrow_number, carry_status_flags, close_on_exec, is_open, looks_alive, pin, pin_outside, same_description,
};
pub(crate) use epoll::{instances as epoll_instances, registrations};
pub(crate) use kick::kick_threads;
pub(crate) use kind::kind_of;
pub(crate) use path::file_offset;
pub(crate) use placement::{place_at, replace};
pub(crate) use remote::{is_remote_writable, replace_without_waiting};
pub(crate) use signals::Blocked;
pub(crate) use socket::{unread, unsent, wake_blocked, was_connected};
