//! Moving threads that sleep on an old description to the new one.
//!
//! A system call that is restarted after a signal handler looks its descriptor number up again, and so goes on with the
//! description that is there now (measured for TCP, Unix sockets and pipes).
//!
//! # Safety
//!
//! `sigaction` gets pointers to local structures, and a handler that does nothing. `tgkill` names threads of this
//! process only; one that has ended meanwhile gives `ESRCH`.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use rustix::io::{self, Errno};
use syscalls::{Sysno, syscall};

use super::errno;
use super::proc_file::numbered_entries;

/// Sends `signal` to every other thread of the process, so that interruptible calls look their number up again.
///
/// Opt-in: the signal must be one that the program does not use, a real-time one at best. A handler that does nothing
/// is installed where there is none. Threads that block the signal, that are in a call that is never restarted
/// (`epoll_wait` and others return `EINTR`, signal(7)), or that wait uninterruptibly, do not move.
///
/// # Errors
///
/// `EBUSY` when the signal has a handler without `SA_RESTART` or is ignored; `EINVAL` for a number that is no signal
/// that can be caught. Threads that end meanwhile are passed over.
pub(crate) fn kick_threads(signal: libc::c_int) -> io::Result<()> {
    make_harmless(signal)?;
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let me = rustix::thread::gettid().as_raw_nonzero().get();
    for thread in numbered_entries("/proc/self/task")? {
        if thread != me {
            // SAFETY: the signal has a handler; see the file's Safety section.
            let _gone_is_as_good = unsafe { syscall!(Sysno::tgkill, process, thread, signal) };
        }
    }
    Ok(())
}

/// Sees to it that the signal's only effect is the restart of a system call.
fn make_harmless(signal: libc::c_int) -> io::Result<()> {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; `current` is writable.
    if unsafe { libc::sigaction(signal, std::ptr::null(), current.as_mut_ptr()) } == -1 {
        return Err(errno::last());
    }
    // SAFETY: filled by the call above; all zeroes are valid too.
    let current = unsafe { current.assume_init() };
    match current.sa_sigaction {
        libc::SIG_DFL => {}
        libc::SIG_IGN => return Err(Errno::BUSY),
        _ if current.sa_flags & libc::SA_RESTART != 0 => return Ok(()),
        _ => return Err(Errno::BUSY),
    }
    // SAFETY: all zeroes are a valid sigaction: the default action, an empty mask, no flags.
    let mut harmless = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    harmless.sa_sigaction = nothing as *const () as libc::sighandler_t;
    harmless.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler does nothing, so it may run at any point.
    if unsafe { libc::sigaction(signal, &raw const harmless, std::ptr::null_mut()) } == -1 {
        return Err(errno::last());
    }
    Ok(())
}

extern "C" fn nothing(_signal: libc::c_int) {}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;
    use crate::kernel::replace;

    #[test]
    fn a_thread_asleep_in_a_read_goes_on_with_the_new_description() {
        let signal = libc::SIGRTMIN() + 7;
        let (old, _old_writer) = std::io::pipe().unwrap();
        let (new, mut new_writer) = std::io::pipe().unwrap();
        let number = old.as_raw_fd();
        let (tell, told) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let mut byte = [0];
            (&old).read_exact(&mut byte).unwrap();
            byte[0]
        });
        let thread = told.recv().unwrap();
        replace(new.as_fd(), number, true).unwrap();
        new_writer.write_all(b"n").unwrap();
        // Asleep before or after the switch, it must come out with the new pipe's byte: kick until it does.
        while numbered_entries("/proc/self/task").unwrap().contains(&thread) && !reader.is_finished() {
            kick_threads(signal).unwrap();
            std::thread::yield_now();
        }
        assert_eq!(reader.join().unwrap(), b'n');
    }

    #[test]
    fn a_signal_that_the_program_uses_is_refused() {
        let ignored = libc::SIGRTMIN() + 8;
        // SAFETY: a disposition without a handler, of a signal that nothing here uses.
        unsafe { libc::signal(ignored, libc::SIG_IGN) };
        assert_eq!(kick_threads(ignored).unwrap_err(), Errno::BUSY);
        assert_eq!(kick_threads(libc::SIGKILL).unwrap_err(), Errno::INVAL);
    }
}
