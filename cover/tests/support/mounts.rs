//! Real file servers that die and come back: bindfs and sshfs, in front of a directory that outlives them.

#![allow(unsafe_code, reason = "a mount namespace of the test's own, and what a child does before it becomes a server")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tempfile::{NamedTempFile, TempDir};

/// After this long a server, or the program that uses it, counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory, a file server in front of it, and the place where that is mounted.
///
/// Nothing is cached in the kernel, so that every read and write needs the server.
#[derive(Debug)]
pub(crate) struct Mount {
    server: Server,
    backing: TempDir,
    point: TempDir,
    process: Option<Child>,
    is_frozen: bool,
    /// What its processes have said on their standard error.
    complaints: NamedTempFile,
}

#[derive(Debug)]
enum Server {
    /// Limited to so many bytes in a second, so that no program is through before its server has died often enough.
    Bindfs { rate: usize },
    /// Its own sshd stands behind each connection; the directory has the keys and the configuration.
    Sshfs { keys: TempDir, write_behind: bool },
}

impl Server {
    fn sshfs(write_behind: bool) -> Result<Self, String> {
        is_installed("sshfs", &["--version"])?;
        is_installed("/usr/sbin/sshd", &["-V"])?;
        Ok(Self::Sshfs { keys: sshd(), write_behind })
    }
}

impl Mount {
    /// A bindfs through which `size` bytes take a second and a half; `Err` says why this machine has none.
    pub(crate) fn bindfs(size: usize) -> Result<Self, String> {
        is_installed("bindfs", &["--version"])?;
        Self::start(Server::Bindfs { rate: size / 3 * 2 })
    }

    /// An sshfs that has written what it says it has written; `Err` says why this machine has none.
    pub(crate) fn sshfs(_: usize) -> Result<Self, String> {
        Self::start(Server::sshfs(false)?)
    }

    /// An sshfs as it comes: a write is accepted before the other side has it.
    pub(crate) fn write_behind_sshfs(_: usize) -> Result<Self, String> {
        Self::start(Server::sshfs(true)?)
    }

    /// The thread that calls this gets a mount namespace of its own, which its children share and others do not see. So
    /// no mount outlives the test, however it ends.
    fn start(server: Server) -> Result<Self, String> {
        fs::File::options().read(true).write(true).open("/dev/fuse").map_err(|why| format!("/dev/fuse: {why}"))?;
        // SAFETY: only the mount namespace changes, and with it the working directory stops being shared among threads;
        // this thread does not change it.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.map_err(|why| format!("a mount namespace: {why}"))?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(|why| format!("private mounts: {why}"))?;
        let [backing, point] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let complaints = NamedTempFile::new().unwrap();
        let mut mount = Self { server, backing, point, process: None, is_frozen: false, complaints };
        mount.come_back();
        Ok(mount)
    }

    /// The path of a file where it lies.
    pub(crate) fn behind(&self, name: &str) -> PathBuf {
        self.backing.path().join(name)
    }

    /// The path of the same file, through the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.point.path().join(name)
    }

    /// What `ha run --reopen` is told.
    pub(crate) fn pattern(&self) -> String {
        format!("{}/**", self.point.path().display())
    }

    /// Waits until the server, in this life, has moved so many bytes to the program or to the backing store.
    pub(crate) fn has_moved(&self, bytes: usize) {
        let account = format!("/proc/{}/io", self.process.as_ref().unwrap().id());
        let moved = || -> usize {
            let account = fs::read_to_string(&account).unwrap();
            account.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
        };
        patiently(|| moved() >= bytes, || format!("the server has moved {} of {bytes} bytes", moved()));
    }

    /// Dies by SIGKILL, and comes back: another process at the same place.
    pub(crate) fn die_and_come_back(&mut self) {
        self.die();
        self.come_back();
    }

    /// Dies by SIGKILL.
    pub(crate) fn die(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            if std::mem::take(&mut self.is_frozen) {
                // It would keep what it has not read for ever.
                self.signal_session(Signal::KILL);
            }
            self.leave(process);
        }
    }

    /// Loses what is behind it: sshfs, whose sshd is killed, ends by itself. For bindfs it is the same as to die.
    pub(crate) fn lose_connection(&mut self) {
        let Some(process) = self.process.take_if(|_| matches!(self.server, Server::Sshfs { .. })) else {
            return self.die();
        };
        self.signal_session(Signal::KILL);
        self.leave(process);
    }

    /// Stops answering: what sshfs accepts from now on never arrives. For bindfs it is the same as to die.
    pub(crate) fn freeze(&mut self) {
        match self.server {
            Server::Bindfs { .. } => self.die(),
            Server::Sshfs { .. } => {
                self.signal_session(Signal::STOP);
                self.is_frozen = true;
            }
        }
    }

    /// Mounts again.
    pub(crate) fn come_back(&mut self) {
        let mut command = match &self.server {
            Server::Bindfs { rate } => {
                let mut command = Command::new("bindfs");
                command.args(["-f", "-o", "direct_io"]);
                command.args([format!("--read-rate={rate}"), format!("--write-rate={rate}")]).arg(self.backing.path());
                command
            }
            Server::Sshfs { keys, write_behind } => {
                let mut command = Command::new("sshfs");
                command.args(["-f", "-o", "direct_io", "-F"]).arg(keys.path().join("ssh_config"));
                if !write_behind {
                    command.args(["-o", "sshfs_sync"]);
                }
                command.arg(format!("server:{}", self.backing.path().display()));
                command
            }
        };
        command.arg(self.point.path()).stdin(Stdio::null()).stderr(self.complaints.reopen().unwrap());
        // SAFETY: a system call that neither allocates nor takes a lock.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        let mut process = command.spawn().unwrap();
        let is_ready = || match process.try_wait().unwrap() {
            None => is_mounted(self.point.path()),
            Some(status) => panic!("{command:?}: {status}\n{}", fs::read_to_string(&self.complaints).unwrap()),
        };
        patiently(is_ready, || "the file server has not started".to_owned());
        self.process = Some(process);
    }

    /// Waits for the end of the server's process, and takes its mount away unless it has done that itself.
    fn leave(&self, mut process: Child) {
        patiently(|| process.try_wait().unwrap().is_some(), || "the file server has not ended".to_owned());
        if is_mounted(self.point.path()) {
            unmount(self.point.path(), UnmountFlags::DETACH).unwrap();
        }
    }

    /// Sends a signal to the sshd of the current connection, if that has not ended.
    fn signal_session(&self, signal: Signal) {
        let Server::Sshfs { keys, .. } = &self.server else { return };
        let session = fs::read_to_string(keys.path().join("session")).unwrap();
        let _ = kill_process(Pid::from_raw(session.trim().parse().unwrap()).unwrap(), signal);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.die();
    }
}

/// What an sshd needs that is started for each connection, with neither port nor daemon.
fn sshd() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    // Where sshd shuts its less trusted half in; packages make it when the system starts.
    fs::create_dir_all("/run/sshd").unwrap();
    for key in ["host", "user"] {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f", key]).current_dir(&directory);
        assert!(command.status().unwrap().success(), "{command:?}");
    }
    let server = format!(
        "HostKey {path}/host\nAuthorizedKeysFile {path}/user.pub\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    );
    let start = format!("echo $$ > {path}/session; exec /usr/sbin/sshd -i -e -f {path}/sshd_config");
    let client = format!(
        "Host *\nProxyCommand sh -c '{start}'\nIdentityFile {path}/user\nIdentitiesOnly yes\n\
         UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n"
    );
    fs::write(directory.path().join("sshd_config"), server).unwrap();
    fs::write(directory.path().join("ssh_config"), client).unwrap();
    directory
}

/// Whether a program can be started; `Err` says why not.
pub(crate) fn is_installed(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().map(drop).map_err(|why| format!("{program}: {why}"))
}

fn is_mounted(point: &Path) -> bool {
    // Of this thread: the process's first one may live in another namespace.
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == point.to_str())
}

fn patiently(mut is_so: impl FnMut() -> bool, complaint: impl Fn() -> String) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{}", complaint());
        std::thread::sleep(Duration::from_millis(1));
    }
}
