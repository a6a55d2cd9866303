//! Who is running: thread and process identities as the kernel knows them.
//!
//! # Safety
//!
//! tgkill(2), which rustix lacks, is passed integers only.

#![allow(unsafe_code)]

use std::num::NonZeroU32;

use syscalls::{Sysno, syscall};

/// A kernel thread id. Asked of the kernel each time, on failure paths only: it is right in a forked child, and a
/// thread-local copy would not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(NonZeroU32);

impl ThreadId {
    pub(crate) fn current() -> Self {
        let raw = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        Self(NonZeroU32::new(raw).unwrap_or(NonZeroU32::MIN))
    }

    pub(crate) fn from_raw(raw: u32) -> Option<Self> {
        NonZeroU32::new(raw).map(Self)
    }

    pub(crate) fn as_raw(self) -> u32 {
        self.0.get()
    }

    /// Whether this thread has ended. Asked with the null signal and not of /proc, which may show another pid namespace.
    pub(crate) fn is_gone(self) -> bool {
        // SAFETY: see the top of this file.
        let answer = unsafe { syscall!(Sysno::tgkill, process_id(), self.as_raw(), 0) };
        answer == Err(syscalls::Errno::ESRCH)
    }
}

/// This process, as getpid(2) says: another one in every child, vforked ones included.
pub(crate) fn process_id() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_gone_once_it_has_ended() {
        assert!(!ThreadId::current().is_gone());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || tell.send(ThreadId::current()).unwrap());
        let id = told.recv().unwrap();
        thread.join().unwrap();
        let forgotten = (0..50_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_micros(200));
            id.is_gone()
        });
        assert!(forgotten, "the kernel still knows the thread");
    }
}
