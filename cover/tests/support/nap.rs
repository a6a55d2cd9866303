//! Naps: a program's `sleep` that lasts exactly as long as the test needs to kill a server and start it again.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use tempfile::TempDir;

use super::build::{compile, shared};
use super::program::{Program, Running};

/// Where programs say that they sleep.
#[derive(Debug)]
pub(crate) struct Naps {
    listener: UnixListener,
    path: PathBuf,
    _directory: TempDir,
}

/// A program sleeps as long as this lives.
#[derive(Debug)]
pub(crate) struct Nap(UnixStream);

impl Naps {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("naps");
        Self { listener: UnixListener::bind(&path).unwrap(), path, _directory: directory }
    }

    /// Makes each `sleep` of the program a nap.
    pub(crate) fn of(&self, program: Program) -> Program {
        program.preload(&compile("short_sleep.c", &shared())).environment("SHORT_SLEEP", &self.path)
    }

    /// Waits until the program sleeps.
    pub(crate) fn next(&self, program: &mut Running) -> Nap {
        program.wait_for(self.listener.as_fd());
        Nap(self.listener.accept().unwrap().0)
    }
}
