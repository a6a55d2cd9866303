//! A file server that dies and comes back: one file of known content, in a process of its own.
//!
//! The process is the test program itself, which is told to run [`serves_until_it_is_killed`] and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unsafe_code, reason = "a mount namespace of the test's own")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, Request, Session,
};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tempfile::TempDir;

/// The name of the file.
const NAME: &str = "story";

/// Its content.
pub(crate) const CONTENT: &str = "It was a bright cold day in April, and the clocks were striking thirteen.\n";

const MOUNTPOINT: &str = "HA_TEST_MOUNTPOINT";
const READY: &str = "ready";

/// The server, which can be killed and started again.
#[derive(Debug)]
pub(crate) struct FileServer {
    mountpoint: TempDir,
    process: Option<Child>,
}

impl FileServer {
    /// Starts a server; `Err` says why this machine has none.
    ///
    /// The thread that calls this gets a mount namespace of its own, which its children share and others do not see. So
    /// no mount outlives the test, however it ends.
    pub(crate) fn start() -> Result<Self, String> {
        std::fs::File::options().read(true).write(true).open("/dev/fuse").map_err(|why| format!("/dev/fuse: {why}"))?;
        // SAFETY: only the mount namespace changes, and with it the working directory stops being shared among threads;
        // this thread does not change it.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.map_err(|why| format!("a mount namespace: {why}"))?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(|why| format!("private mounts: {why}"))?;
        let mut server = Self { mountpoint: tempfile::tempdir().unwrap(), process: None };
        server.mount();
        Ok(server)
    }

    /// The path of the file.
    pub(crate) fn file(&self) -> PathBuf {
        self.mountpoint.path().join(NAME)
    }

    /// Dies by SIGKILL, and comes back: a new process at the same mountpoint.
    pub(crate) fn die_and_come_back(&mut self) {
        self.die();
        self.mount();
    }

    fn mount(&mut self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "file_server::serves_until_it_is_killed", "--ignored", "--nocapture"])
            .env(MOUNTPOINT, self.mountpoint.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // SAFETY: a system call that neither allocates nor takes a lock.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        self.process = Some(process);
        let is_ready = output.lines().map_while(Result::ok).any(|line| line.ends_with(READY));
        assert!(is_ready, "the file server has not started");
    }

    fn die(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
            unmount(self.mountpoint.path(), UnmountFlags::DETACH).unwrap();
        }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.die();
    }
}

#[test]
#[ignore = "the server of other tests"]
fn serves_until_it_is_killed() {
    let Some(mountpoint) = std::env::var_os(MOUNTPOINT) else { return };
    let session = Session::new(OneFile, Path::new(&mountpoint), &fuser::Config::default()).unwrap();
    // Not `println`, which the test harness would keep to itself.
    writeln!(std::io::stdout(), "{READY}").unwrap();
    session.run().unwrap();
}

/// A directory with one file in it. The kernel remembers nothing of it, so that every call needs the server.
struct OneFile;

const FILE: INodeNo = INodeNo(2);

fn attributes(ino: INodeNo) -> FileAttr {
    let (kind, perm, size) = match ino {
        FILE => (FileType::RegularFile, 0o444, CONTENT.len() as u64),
        _ => (FileType::Directory, 0o555, 0),
    };
    let never = UNIX_EPOCH;
    FileAttr {
        ino,
        size,
        blocks: 1,
        atime: never,
        mtime: never,
        ctime: never,
        crtime: never,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&Duration::ZERO, &attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&Duration::ZERO, &attributes(ino));
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let rest = CONTENT.as_bytes().get(offset as usize..).unwrap_or_default();
        reply.data(&rest[..rest.len().min(size as usize)]);
    }
}
