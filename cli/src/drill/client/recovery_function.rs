//! A recovery function as C programs write them, attached by `ha_attach`.
//!
//! # Safety
//!
//! The data that the function gets is a [`Connection`], which all numbers of the connection keep alive: nobody can make a
//! call that runs the function without one of them.
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::{CString, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::Whence;

use super::library::Library;
use super::{Endpoint, Revival};
use crate::drill::episodes::Episodes;

/// How long a recovery function tries to reach a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(1);

/// What all numbers of a connection share, and what its recovery function is given.
pub(super) struct Connection {
    pub(super) library: &'static Library,
    pub(super) revival: Revival,
    episodes: Arc<Episodes>,
    /// Whether it has an offset.
    pub(super) is_file: bool,
    /// The threads whose calls have run the recovery function and recovered.
    recovered_on: Mutex<HashSet<ThreadId>>,
    /// Each way to do something has its turn.
    turns: AtomicUsize,
}

/// The recovery function.
unsafe extern "C-unwind" fn recover(number: c_int, data: *mut c_void) -> c_int {
    // SAFETY: see the top of this file.
    let connection = unsafe { &*data.cast_const().cast::<Connection>() };
    if connection.recover(number) { number } else { -1 }
}

impl Connection {
    /// Attaches the recovery function to a number.
    pub(super) fn attach(
        library: &'static Library,
        descriptor: &OwnedFd,
        revival: Revival,
        episodes: Arc<Episodes>,
    ) -> io::Result<Arc<Self>> {
        let connection = Arc::new(Self {
            library,
            revival,
            episodes,
            is_file: nix::unistd::lseek(descriptor, 0, Whence::SeekCur).is_ok(),
            recovered_on: Mutex::default(),
            turns: AtomicUsize::new(0),
        });
        let data = Arc::as_ptr(&connection).cast_mut().cast();
        // SAFETY: the data is what `recover` expects; see the top of this file.
        checked(unsafe { (library.attach)(descriptor.as_raw_fd(), Some(recover), data, 0) })?;
        Ok(connection)
    }

    /// Whether a call of this thread has run the function since it asked last.
    pub(super) fn take_recovered_here(&self) -> bool {
        self.recovered_on().remove(&thread::current().id())
    }

    /// Tries to put a new connection under `number`, for as long as there is hope.
    fn recover(&self, number: RawFd) -> bool {
        self.episodes.begun();
        let began = Instant::now();
        // Asked for only once: later, the number stands for whatever the first attempt has opened.
        let offset = self.is_file.then(|| nix::unistd::lseek(borrow(number), 0, Whence::SeekCur));
        loop {
            match self.attempt(number, offset) {
                Ok(()) => break,
                Err(error) if began.elapsed() > PATIENCE => {
                    self.episodes.given_up(&format!("not recovered within {PATIENCE:?}, at last because: {error}"));
                    return false;
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
        self.episodes.recovered(None, began.elapsed());
        self.recovered_on().insert(thread::current().id());
        true
    }

    fn attempt(&self, number: RawFd, offset: Option<nix::Result<i64>>) -> io::Result<()> {
        self.renew(number)?;
        if let Some(offset) = offset {
            nix::unistd::lseek(borrow(number), offset?, Whence::SeekSet)?;
        }
        (self.revival.prelude)(borrow(number))
    }

    /// Puts a new connection under `number`, in each of the ways that C programs know.
    fn renew(&self, number: RawFd) -> io::Result<()> {
        let turn = self.turn(3);
        match &self.revival.endpoint {
            Endpoint::Path(path, flags) if turn == 0 => self.reopen(number, path, *flags),
            endpoint => {
                if turn == 1 {
                    // On a connection that is dead this may return its error.
                    let _ = nix::unistd::close(number);
                }
                place(endpoint.open()?, number)
            }
        }
    }

    fn reopen(&self, number: RawFd, path: &Path, flags: OFlag) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path ends with a zero byte; without O_CREAT no further argument is looked at.
        let reopened = checked(unsafe { (self.library.reopen)(number, path.as_ptr(), flags.bits()) })?;
        if reopened == number { Ok(()) } else { Err(io::Error::other(format!("ha_reopen returned {reopened}"))) }
    }

    /// Whose turn it is among so many.
    pub(super) fn turn(&self, among: usize) -> usize {
        self.turns.fetch_add(1, Relaxed) % among
    }

    fn recovered_on(&self) -> MutexGuard<'_, HashSet<ThreadId>> {
        self.recovered_on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a descriptor to a certain number.
fn place(descriptor: OwnedFd, number: RawFd) -> io::Result<()> {
    if descriptor.as_raw_fd() == number {
        let _ = descriptor.into_raw_fd();
        return Ok(());
    }
    // SAFETY: the number belongs to the connection that is being recovered, and to nobody else.
    checked(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }).map(drop)
}

/// What a function says that returns -1 when it fails.
pub(super) fn checked(returned: c_int) -> io::Result<c_int> {
    Ok(Errno::result(returned)?)
}

pub(super) fn borrow<'a>(number: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the number is open for as long as somebody has it, or the recovery function runs that it was given to.
    unsafe { BorrowedFd::borrow_raw(number) }
}
