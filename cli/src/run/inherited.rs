//! Signals as this process inherited them, for the program that takes its place.
//!
//! Rust's runtime ignores SIGPIPE in front of `main`, and its `exec` sets SIGPIPE to the default and empties the signal
//! mask. A program would then differ from one that is started without us: services of systemd ignore SIGPIPE.
//!
//! # Safety
//!
//! libc's signal functions get pointers to local values only. What runs before `main` and what runs before `exec` calls
//! nothing but them, and they are async-signal-safe.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

static IGNORED_SIGPIPE: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds functions that libc calls before `main`; this is one, and it needs nothing set up.
#[unsafe(link_section = ".init_array")]
#[used]
static REMEMBER: extern "C" fn() = remember;

extern "C" fn remember() {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is set, and `action` is writable.
    if unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) } == 0 {
        // SAFETY: sigaction has filled it.
        let action = unsafe { action.assume_init() };
        IGNORED_SIGPIPE.store(action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
    }
}

/// Makes `exec` pass on what this process inherited.
pub(super) fn pass_on(command: &mut Command) {
    let mask = mask();
    let restore = move || {
        // SAFETY: `mask` is one that pthread_sigmask has filled.
        let status = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut()) };
        if status != 0 {
            return Err(io::Error::from_raw_os_error(status));
        }
        if IGNORED_SIGPIPE.load(Ordering::Relaxed) {
            // SAFETY: SIGPIPE can be ignored, so that this cannot fail.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        }
        Ok(())
    };
    // SAFETY: the closure calls async-signal-safe functions only, and allocates nothing.
    unsafe { command.pre_exec(restore) };
}

fn mask() -> libc::sigset_t {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: `mask` is writable, and sigemptyset fills it.
    unsafe { libc::sigemptyset(mask.as_mut_ptr()) };
    // SAFETY: nothing is set, and `mask` is writable; with these arguments it cannot fail.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) };
    // SAFETY: filled by the lines above.
    unsafe { mask.assume_init() }
}
