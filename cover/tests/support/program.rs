//! Running a program: with libha linked or preloaded, never for ever, and never longer than the test.

#![allow(unsafe_code, reason = "what a child does before it becomes the program")]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, set_parent_process_death_signal};
use tempfile::TempDir;

use super::build::{library, library_directory};

/// After this long a program counts as hanging. Nothing that a test runs takes a tenth of it.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A program that is about to run, in an empty directory of its own. What it prints goes to files, so that nobody has to
/// read along.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    preloads: Vec<OsString>,
    directory: TempDir,
    output: File,
    errors: File,
}

/// A program that runs. It is killed, with all that it has started, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pidfd: OwnedFd,
    _directory: TempDir,
    output: File,
    errors: File,
}

/// How a program has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Program {
    /// A program that finds libha where it has been built, if it is linked to it.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        let (output, errors) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let directory = tempfile::tempdir().unwrap();
        command
            .current_dir(&directory)
            .env("LD_LIBRARY_PATH", library_directory())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(errors.try_clone().unwrap())
            .process_group(0);
        // SAFETY: a system call that neither allocates nor takes a lock.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        Self { command, preloads: Vec::new(), directory, output, errors }
    }

    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a library in front of libc, behind those that are there already.
    pub(crate) fn preload(mut self, library: &Path) -> Self {
        self.preloads.push(library.into());
        self
    }

    /// Puts libha in front of libc.
    pub(crate) fn with_preload(self) -> Self {
        self.preload(library())
    }

    pub(crate) fn start(mut self) -> Running {
        if !self.preloads.is_empty() {
            self.command.env("LD_PRELOAD", self.preloads.join(OsStr::new(":")));
        }
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let pidfd = pidfd_open(pid_of(&child), PidfdFlags::empty()).unwrap();
        Running { child, pidfd, _directory: self.directory, output: self.output, errors: self.errors }
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

impl Running {
    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ended {
        assert!(is_readable(&[self.pidfd.as_fd()])[0], "the program hangs; so far: {:?}", self.ended_with(None));
        let status = self.child.wait().unwrap();
        self.ended_with(Some(status))
    }

    /// Waits until one can be read from `other`; panics when the program ends before.
    pub(crate) fn wait_for(&mut self, other: BorrowedFd<'_>) {
        let [is_ready, _] = is_readable(&[other, self.pidfd.as_fd()])[..] else { unreachable!() };
        if !is_ready {
            let status = self.child.try_wait().unwrap();
            panic!("the program has ended, or hangs: {:?}", self.ended_with(status));
        }
    }

    fn ended_with(&mut self, status: Option<ExitStatus>) -> Ended {
        let status = status.unwrap_or_else(|| ExitStatus::from_raw(-1));
        Ended { status, output: contents(&mut self.output), errors: text(&contents(&mut self.errors)) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whatever it has left running, and itself; that nothing is left is as good.
        let _ = kill_process_group(pid_of(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Waits until one of them is readable or the patience is at its end, and returns which ones are.
fn is_readable(descriptors: &[BorrowedFd<'_>]) -> Vec<bool> {
    let mut polled: Vec<_> = descriptors.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    rustix::io::retry_on_intr(|| poll(&mut polled, Some(&PATIENCE))).unwrap();
    polled.iter().map(|polled| !polled.revents().is_empty()).collect()
}

fn contents(file: &mut File) -> Vec<u8> {
    let mut contents = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut contents).unwrap();
    contents
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Ended {
    /// What it has printed.
    pub(crate) fn text(&self) -> String {
        text(&self.output)
    }

    /// Panics unless it has ended with success.
    #[track_caller]
    pub(crate) fn successfully(self) -> Self {
        assert!(self.status.success(), "{}\noutput: {}\nerrors: {}", self.status, self.text(), self.errors);
        self
    }

    /// Panics unless it has ended with success and said nothing on its standard error.
    #[track_caller]
    pub(crate) fn silently(self) -> Self {
        assert_eq!(self.errors, "");
        self.successfully()
    }
}
