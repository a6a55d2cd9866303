//! What must not stay behind: mounts and directories, however the drill ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::mount::UnmountFlags;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// Directories of drills that are under way, each with the mountpoint in it.
static PLACES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How long to wait, before cleaning up, for a server that is just being started.
const START_PATIENCE: Duration = Duration::from_secs(3);

/// Servers that are being started, any of which may mount something at any moment.
static STARTS: Mutex<Starts> = Mutex::new(Starts { under_way: 0, closing: false });

/// Some server has started, or failed to.
static STARTED: Condvar = Condvar::new();

#[derive(Debug)]
struct Starts {
    under_way: usize,
    /// Everything is being cleaned up, and the process is about to end: no server may be started any more.
    closing: bool,
}

/// A server is being started: nothing is cleaned up meanwhile.
#[derive(Debug)]
#[must_use]
pub(crate) struct Starting(());

impl Starting {
    /// Announces the start of a server. Does not return once everything is being cleaned up.
    pub(crate) fn announce() -> Self {
        let mut starts = lock(&STARTS);
        while starts.closing {
            starts = STARTED.wait(starts).unwrap_or_else(PoisonError::into_inner);
        }
        starts.under_way += 1;
        Self(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        lock(&STARTS).under_way -= 1;
        STARTED.notify_all();
    }
}

/// Lets no server be started from now on, and waits for those that are being started.
fn close() {
    let mut starts = lock(&STARTS);
    starts.closing = true;
    // One that takes longer than that hangs, and would keep the drill from ending.
    drop(STARTED.wait_timeout_while(starts, START_PATIENCE, |starts| starts.under_way > 0));
}

/// A temporary directory with room for a mountpoint. Both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    directory: Option<TempDir>,
}

impl Place {
    /// Makes a directory for one transport's drill.
    pub(crate) fn new() -> io::Result<Self> {
        let directory = TempDir::with_prefix("ha-drill-")?;
        // Mounts know canonical paths only.
        let root = directory.path().canonicalize()?;
        std::fs::create_dir(mountpoint(&root))?;
        lock(&PLACES).push(root.clone());
        Ok(Self { root, directory: Some(directory) })
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file system can be mounted.
    pub(crate) fn mountpoint(&self) -> PathBuf {
        mountpoint(&self.root)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        unmount(&self.mountpoint());
        lock(&PLACES).retain(|place| *place != self.root);
        self.directory.take();
    }
}

/// Takes away every mount on `mountpoint`, even if it is in use or its server is dead.
pub(crate) fn unmount(mountpoint: &Path) {
    while rustix::mount::unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
}

/// Cleans up after a drill that cannot do so itself. The process has to end afterwards.
pub(crate) fn everything() {
    close();
    for place in lock(&PLACES).drain(..) {
        unmount(&mountpoint(&place));
        // The process is about to end: what cannot be removed now stays.
        let _ = std::fs::remove_dir_all(&place);
    }
}

/// From now on, an interrupted drill cleans up before it ends.
pub(crate) fn on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            everything();
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

fn mountpoint(root: &Path) -> PathBuf {
    root.join("mount")
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_behind() {
        let place = Place::new().unwrap();
        let root = place.root().to_owned();
        assert!(place.mountpoint().is_dir());
        drop(place);
        assert!(!root.exists());
        assert!(!lock(&PLACES).contains(&root));
    }
}
