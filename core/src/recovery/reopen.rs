//! Opening the same path again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::sync::ArcSwapOption;
use rustix::fs::{CWD, FileType, Mode, OFlags, SeekFrom};

use super::identity::Identity;
use super::{fifo, invalid};
use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::kernel::kind::{file_type, kind_of};
use crate::kernel::mount::{Mount, mount_of, mount_of_descriptor};
use crate::kernel::path::{file_offset, path_of};
use crate::sync::Arc;
use crate::table::{Kind, Target};

/// Recovers a file, directory, FIFO or terminal by opening its path again.
///
/// ```
/// use ha_core::Reopen;
///
/// // A log on a network mount: nothing that was acknowledged may be missing when the mount is back.
/// let log = Reopen::recorded();
/// // A file that is only read: it must be the one that was read before.
/// let input = Reopen::path("/srv/data/input").unless_older().checking_last_block();
/// # let _ = (log, input);
/// ```
///
/// # What comes back
///
/// * The access mode and the status flags of the dead description, `O_APPEND` and `O_NONBLOCK` included. `O_CREAT`,
///   `O_EXCL` and `O_TRUNC` never: an existing file is opened, and keeps its contents.
/// * The file offset. A directory starts from its beginning.
/// * Not: record locks, leases, `O_ASYNC`. Closing the old description drops the process's POSIX locks on the file.
///
/// # When it is tried again, and when not
///
/// It is tried again while the path does not exist or cannot be opened, while the mount that the file was on is not
/// there (a mount point without its mount is an empty local directory), and while a FIFO has nobody on its other side.
/// It is given up when the file found is not the one that was lost: of another type, shorter than what was
/// acknowledged (files open for writing), or different under a check that was asked for.
///
/// # Waiting
///
/// An attempt waits for a FIFO's writer for at most a second, and never beyond the deadline. Opening a file on a mount
/// whose server is *frozen* waits for as long as the file system does; only its own timeouts end that. Callers on
/// other threads wait for the verdict meanwhile, and see nothing of the new description before.
#[derive(Debug)]
pub struct Reopen {
    given: Option<PathBuf>,
    check_time: bool,
    check_block: bool,
    /// No lock: a fork would leave it locked in the child.
    record: ArcSwapOption<Record>,
}

/// What was known while the server was there.
#[derive(Clone, Debug)]
struct Record {
    path: PathBuf,
    kind: Kind,
    file_type: FileType,
    flags: OFlags,
    mount: Option<Mount>,
    identity: Identity,
}

impl Reopen {
    /// Opens the path that the descriptor has when it is attached.
    ///
    /// Each one serves one path: attaching it to a descriptor of another file is refused.
    #[must_use]
    pub fn recorded() -> Self {
        Self { given: None, check_time: false, check_block: false, record: ArcSwapOption::empty() }
    }

    /// Opens `path`, which must be absolute and lead to the very file that is covered; attaching is refused with
    /// [`io::ErrorKind::InvalidInput`] otherwise. For files whose own name may go away: a symbolic link that will point
    /// to its successor.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self { given: Some(path.into()), ..Self::recorded() }
    }

    /// Gives up when the file was modified before the time that it had when the descriptor was attached: an older
    /// version has taken its place. Times over SFTP count in whole seconds.
    #[must_use]
    pub fn unless_older(mut self) -> Self {
        self.check_time = true;
        self
    }

    /// Gives up when the last block (up to 4096 bytes before the end, as the file was when the descriptor was attached)
    /// has changed.
    ///
    /// For files that only grow or are only read, and are open for reading; attaching any other is refused.
    #[must_use]
    pub fn checking_last_block(mut self) -> Self {
        self.check_block = true;
        self
    }

    fn path_for(&self, descriptor: BorrowedFd<'_>) -> io::Result<PathBuf> {
        match &self.given {
            Some(path) if path.is_absolute() => Ok(path.clone()),
            Some(path) => Err(invalid(format!("{} is not an absolute path", path.display()))),
            None => path_of(descriptor).map_err(|_| invalid("the descriptor has no path that could be opened again")),
        }
    }
}

impl Recover for Reopen {
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        let Some(record) = self.record.load_full() else {
            return Err(RecoveryError::Final(invalid("the function was never attached to a descriptor")));
        };
        if record.mount.as_ref().is_some_and(|mount| !mount.is_there()) {
            return Err(not_mounted(&record.path));
        }
        // The dead description still knows its flags; a number that was closed does not.
        let flags = rustix::fs::fcntl_getfl(attempt.old()).unwrap_or(record.flags);
        let new = record.open(flags, attempt)?;
        record.verify(new.as_fd(), flags, attempt)?;
        record.restore_offset(new.as_fd(), flags, attempt)?;
        Ok(Recovered::Staged(new))
    }

    fn target(&self) -> Option<Target> {
        let recorded = self.record.load().as_ref().map(|record| record.path.clone());
        recorded.or_else(|| self.given.clone()).map(Target::Path)
    }

    fn attached(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let kind = kind_of(descriptor)?;
        if !matches!(kind, Kind::File | Kind::Pipe | Kind::Terminal) {
            return Err(invalid("only files, directories, FIFOs and terminals can be opened again"));
        }
        let path = self.path_for(descriptor)?;
        if self.given.is_some() && !is_same_file(descriptor, &path) {
            return Err(invalid(format!("{} is not the file that the descriptor stands for", path.display())));
        }
        let file_type = file_type(descriptor)?;
        let regular = file_type == FileType::RegularFile;
        let flags = rustix::fs::fcntl_getfl(descriptor)?;
        if self.check_block && regular && flags & OFlags::RWMODE == OFlags::WRONLY {
            return Err(invalid("the last block of a file that is not open for reading cannot be checked"));
        }
        let identity = Identity::of(descriptor, self.check_time && regular, self.check_block && regular)?;
        let mount = if self.given.is_some() { mount_at(&path) } else { mount_of_descriptor(descriptor) };
        if self.record.load().as_ref().is_some_and(|record| record.path != path) {
            return Err(invalid("the function already serves another path"));
        }
        self.record.store(Some(Arc::new(Record { path, kind, file_type, flags, mount, identity })));
        Ok(())
    }
}

impl Record {
    fn open(&self, flags: OFlags, attempt: &Attempt<'_>) -> Result<OwnedFd, RecoveryError> {
        let opened = reopening(flags);
        if self.kind == Kind::File {
            return Ok(rustix::fs::openat(CWD, &self.path, opened, Mode::empty())?);
        }
        // A terminal line without a carrier, and a FIFO without its other side, would wait in a blocking open.
        let new = match self.kind {
            Kind::Pipe => fifo::open(&self.path, opened, attempt.remaining())?,
            _ => rustix::fs::openat(CWD, &self.path, opened | OFlags::NONBLOCK, Mode::empty())?,
        };
        if !flags.contains(OFlags::NONBLOCK) {
            let status = rustix::fs::fcntl_getfl(&new)?;
            rustix::fs::fcntl_setfl(&new, status & !OFlags::NONBLOCK)?;
        }
        Ok(new)
    }

    fn verify(&self, new: BorrowedFd<'_>, flags: OFlags, attempt: &Attempt<'_>) -> Result<(), RecoveryError> {
        // Unmounted between the look at the mount table and the open, or mounted by an automounter in the open.
        if self.mount.is_some() && mount_of_descriptor(new) != self.mount {
            return Err(not_mounted(&self.path));
        }
        if file_type(new)? != self.file_type {
            return Err(changed(&self.path, "it is of another type now"));
        }
        let writable = flags & OFlags::RWMODE != OFlags::RDONLY;
        let least = if writable && self.file_type == FileType::RegularFile { attempt.known_size() } else { 0 };
        self.identity.verify(new, least)?.map_err(|difference| changed(&self.path, &difference))
    }

    fn restore_offset(&self, new: BorrowedFd<'_>, flags: OFlags, attempt: &Attempt<'_>) -> Result<(), RecoveryError> {
        if !matches!(self.file_type, FileType::RegularFile | FileType::BlockDevice) || flags.contains(OFlags::PATH) {
            return Ok(());
        }
        match file_offset(attempt.old().as_raw_fd()) {
            Some(0) => {}
            Some(offset) => {
                rustix::fs::seek(new, SeekFrom::Start(offset))?;
            }
            None if flags.contains(OFlags::APPEND) => {}
            // Going on from the beginning would repeat or overwrite what is there.
            None => return Err(changed(&self.path, "the offset was lost with the descriptor")),
        }
        Ok(())
    }
}

/// The flags to open with, from those of a description.
fn reopening(flags: OFlags) -> OFlags {
    // O_TMPFILE includes the bit of O_DIRECTORY, which is kept; its own bit creates a file.
    let creating = OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC | (OFlags::TMPFILE & !OFlags::DIRECTORY);
    // FASYNC cannot be given to open (open(2), BUGS).
    let asynchronous = OFlags::from_bits_retain(libc::O_ASYNC.cast_unsigned());
    (flags & !(creating | asynchronous)) | OFlags::CLOEXEC | OFlags::NOCTTY
}

/// The mount of a path that is there, by way of its symbolic links; by its name only when it is not there.
fn mount_at(path: &Path) -> Option<Mount> {
    // O_PATH opens nothing: no server sees it, and closing it drops no locks.
    match rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(place) => mount_of_descriptor(place.as_fd()),
        Err(_) => mount_of(path),
    }
}

fn is_same_file(descriptor: BorrowedFd<'_>, path: &Path) -> bool {
    let here = rustix::fs::fstat(descriptor).map(|stat| (stat.st_dev, stat.st_ino));
    let there = rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino));
    here.is_ok() && here == there
}

fn not_mounted(path: &Path) -> RecoveryError {
    let reason = format!("the file system of {} is not mounted", path.display());
    RecoveryError::Again(io::Error::new(io::ErrorKind::NotConnected, reason))
}

fn changed(path: &Path, difference: &str) -> RecoveryError {
    RecoveryError::Final(io::Error::new(io::ErrorKind::InvalidData, format!("{}: {difference}", path.display())))
}

#[cfg(test)]
mod tests;
