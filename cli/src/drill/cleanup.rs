//! What must not stay behind: mounts and directories, however the drill ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::mount::UnmountFlags;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// Directories of drills that are under way, each with the mountpoint in it.
static PLACES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

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
        lock().push(root.clone());
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
        lock().retain(|place| *place != self.root);
        self.directory.take();
    }
}

/// Takes away every mount on `mountpoint`, even if it is in use or its server is dead.
pub(crate) fn unmount(mountpoint: &Path) {
    while rustix::mount::unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
}

/// Cleans up after a drill that cannot do so itself.
pub(crate) fn everything() {
    for place in lock().drain(..) {
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

fn lock() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(!lock().contains(&root));
    }
}
