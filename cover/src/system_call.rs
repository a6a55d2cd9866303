//! `syscall`, led back to the engine: a call on a covered number is recovered, and a call that makes, copies or closes
//! numbers keeps the table true.
//!
//! `syscall` is no cancellation point, and does not become one here.
#![allow(unsafe_code)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::ffi::{c_int, c_long};

use ha_core::Kind;
use ha_core::number::{
    Operation, Request, capture, fresh, is_anything_covered, status_flags, uncancelled, without_sigpipe,
};

use crate::covers::escape::{io_uring, original};
use crate::covers::quiet::raise_if_broken;
use crate::returned::call as issue_on;
use crate::rules::{self, watched};

/// Makes the system call.
///
/// # Safety
///
/// As for syscall(2).
pub(crate) unsafe fn led_back(call: c_long, arguments: [c_long; 6]) -> c_long {
    // SAFETY: the caller's.
    let plain = |[a, b, c, d, e, f]: [c_long; 6]| unsafe { original::syscall(call, a, b, c, d, e, f) };
    if call == libc::SYS_io_uring_setup {
        io_uring();
    }
    if makes_a_number(call) {
        return c_long::from(fresh(plain(arguments) as c_int));
    }
    if matches!(call, libc::SYS_openat | libc::SYS_openat2) {
        let number = fresh(plain(arguments) as c_int);
        return c_long::from(rules::opened(number, status_flags(number)));
    }
    if !is_anything_covered() {
        return plain(arguments);
    }
    // SAFETY: the caller's.
    if let Some(result) = uncancelled(|| unsafe { by_name(call, arguments) }) {
        return result;
    }
    match on_a_number(call, &arguments) {
        Some((request, number)) if capture(number).is_covered() => again(request, number, arguments, plain),
        _ => plain(arguments),
    }
}

fn makes_a_number(call: c_long) -> bool {
    matches!(
        call,
        libc::SYS_socket
            | libc::SYS_open_by_handle_at
            | libc::SYS_fanotify_init
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_epoll_create1
            | libc::SYS_eventfd2
            | libc::SYS_inotify_init1
            | libc::SYS_io_uring_setup
            | libc::SYS_memfd_create
            | libc::SYS_pidfd_getfd
            | libc::SYS_pidfd_open
            | libc::SYS_timerfd_create
    )
}

/// Calls that copy and close numbers, or concern several, by the name of their cover.
///
/// # Safety
///
/// As for syscall(2).
unsafe fn by_name(call: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> Option<c_long> {
    let (first, second, third) = (a as c_int, b as c_int, c as c_int);
    // The arguments are those of the function named.
    #[allow(clippy::undocumented_unsafe_blocks)]
    let result = match call {
        libc::SYS_dup => unsafe { libc::dup(first) },
        libc::SYS_dup3 => unsafe { libc::dup3(first, second, third) },
        libc::SYS_fcntl => unsafe { libc::fcntl(first, second, c) },
        libc::SYS_close => unsafe { libc::close(first) },
        libc::SYS_close_range => unsafe { libc::close_range(a as u32, b as u32, third) },
        #[cfg(target_arch = "x86_64")]
        libc::SYS_dup2 => unsafe { libc::dup2(first, second) },
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => unsafe { libc::poll(a as *mut _, b as _, third) },
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => unsafe { libc::select(first, b as *mut _, c as *mut _, d as *mut _, e as *mut _) },
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => unsafe { libc::epoll_wait(first, b as *mut _, third, d as c_int) },
        libc::SYS_ppoll => unsafe { libc::ppoll(a as *mut _, b as _, c as *const _, d as *const _) },
        libc::SYS_epoll_pwait => unsafe { libc::epoll_pwait(first, b as *mut _, third, d as c_int, e as *const _) },
        libc::SYS_pipe2 => unsafe { libc::pipe2(a as *mut _, second) },
        libc::SYS_socketpair => unsafe { libc::socketpair(first, second, third, d as *mut _) },
        libc::SYS_signalfd4 => unsafe { libc::signalfd(first, b as *const _, d as c_int) },
        libc::SYS_recvmsg => return Some(unsafe { libc::recvmsg(first, b as *mut _, third) } as c_long),
        libc::SYS_recvmmsg => unsafe { libc::recvmmsg(first, b as *mut _, c as u32, d as _, e as *mut _) },
        libc::SYS_sendfile => return Some(unsafe { libc::sendfile(first, second, c as *mut _, d as usize) } as c_long),
        libc::SYS_splice => {
            let moved = unsafe { libc::splice(first, b as *mut _, third, d as *mut _, e as usize, f as u32) };
            return Some(moved as c_long);
        }
        libc::SYS_tee => return Some(unsafe { libc::tee(first, second, c as usize, d as u32) } as c_long),
        libc::SYS_copy_file_range => {
            let moved = unsafe { libc::copy_file_range(first, b as *mut _, third, d as *mut _, e as usize, f as u32) };
            return Some(moved as c_long);
        }
        _ => return None,
    };
    Some(result.into())
}

/// What the engine has to know of a call on a number.
fn on_a_number(call: c_long, [a, _, c, d, ..]: &[c_long; 6]) -> Option<(Request, c_int)> {
    let (number, count) = (*a as c_int, *c as usize);
    let request = match call {
        libc::SYS_read => Request::read(count),
        libc::SYS_readv | libc::SYS_getdents64 => Request::read(1),
        libc::SYS_pread64 | libc::SYS_preadv => Request::read_at(count, *d as u64),
        libc::SYS_recvfrom if *d & c_long::from(libc::MSG_WAITALL) != 0 => Request::read_whole(count),
        libc::SYS_recvfrom => Request::read(count),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_sendto => Request::write(count),
        libc::SYS_writev | libc::SYS_pwritev | libc::SYS_sendmsg => Request::write_some(1),
        libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_syncfs | libc::SYS_sync_file_range => Request::SYNC,
        libc::SYS_lseek
        | libc::SYS_fstat
        | libc::SYS_fstatfs
        | libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_flock
        | libc::SYS_fchmod
        | libc::SYS_fchown
        | libc::SYS_ioctl => Request::CONTROL,
        libc::SYS_connect
        | libc::SYS_bind
        | libc::SYS_shutdown
        | libc::SYS_getsockopt
        | libc::SYS_setsockopt
        | libc::SYS_getsockname
        | libc::SYS_getpeername => Request::PASSIVE,
        libc::SYS_epoll_ctl => return Some((Request::PASSIVE.by_number(), *c as c_int)),
        _ => return None,
    };
    Some((request, number))
}

/// Makes a call on a covered number, again if need be.
fn again(request: Request, number: c_int, arguments: [c_long; 6], plain: impl Fn([c_long; 6]) -> c_long) -> c_long {
    let covered = capture(number);
    let can_break = request.operation() == Operation::Write && matches!(covered.kind(), Kind::Stream | Kind::Pipe);
    let result = issue_on(covered, request, |standing| {
        let mut arguments = arguments;
        if let (false, Some(first)) = (request.is_by_number(), arguments.first_mut()) {
            *first = standing.into();
        }
        if can_break { without_sigpipe(|| plain(arguments)) } else { plain(arguments) }
    });
    if covered.is_watched() {
        match request.operation() {
            Operation::Write => watched::wrote_unseen(number, result as isize),
            Operation::Read { .. } if result > 0 => watched::received(number, result as isize),
            Operation::Read { .. } => {}
            Operation::Sync | Operation::Control | Operation::Passive => {}
        }
    }
    if can_break { raise_if_broken(covered.kind(), false, result as isize) as c_long } else { result }
}
