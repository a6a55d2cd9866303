//! Which mount a file is on, and whether that mount is there (again).
//!
//! Device number, inode number and mount id are given out anew after an unmount (measured), so a mount is known by
//! the place where it is mounted and the type of its file system.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io;

use super::proc_file;

/// A mount, as far as it can be known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// Its file system type, such as `ext4`, `nfs4` or `fuse.sshfs`.
    pub(crate) file_system: String,
}

/// File systems whose server is another process or another machine.
const SERVED: &[&str] = &[
    "9p",
    "acfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse",
    "fuseblk",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "pvfs2",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
];

impl Mount {
    /// Whether calls on this mount depend on a server that can die.
    pub(crate) fn has_a_server(&self) -> bool {
        let family = self.file_system.split('.').next().unwrap_or_default();
        SERVED.contains(&family)
    }

    /// Whether a mount of this type is at this place and its server answers.
    ///
    /// An automounter's trigger counts as there: opening a path below it mounts what belongs there; look at the
    /// opened file with [`mount_of_descriptor`] afterwards.
    ///
    /// Waits as long as the server does when it is frozen; only the file system's own timeouts end that.
    pub(crate) fn is_there(&self) -> bool {
        let Ok(table) = proc_file::contents(TABLE) else { return true };
        let Some(line) = lines(&table).filter(|line| line.is_at(&self.point)).last() else { return false };
        if line.file_system == b"autofs" && self.file_system != "autofs" {
            return true;
        }
        line.file_system == self.file_system.as_bytes() && (!self.has_a_server() || answers(&self.point))
    }
}

/// The mount that an open file is on; `None` when it has been unmounted, or cannot be told.
///
/// The server is not asked.
pub(crate) fn mount_of_descriptor(fd: BorrowedFd<'_>) -> Option<Mount> {
    let information = proc_file::contents(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let identity = proc_file::field(&information, "mnt_id")?;
    let table = proc_file::contents(TABLE).ok()?;
    lines(&table).find(|line| line.identity == identity.as_bytes()).map(|line| line.mount())
}

/// The mount that a path is on, by the longest mount point that it begins with; of mounts stacked on one place the
/// last, which hides the others.
pub(crate) fn mount_of(path: &Path) -> Option<Mount> {
    let table = proc_file::contents(TABLE).ok()?;
    // max_by_key gives the last of equals.
    lines(&table)
        .map(|line| line.mount())
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
}

const TABLE: &str = "/proc/self/mountinfo";

/// A line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
struct Line<'table> {
    identity: &'table [u8],
    point: &'table [u8],
    file_system: &'table [u8],
}

impl Line<'_> {
    fn mount(&self) -> Mount {
        Mount {
            point: PathBuf::from(OsString::from_vec(unescaped(self.point))),
            file_system: String::from_utf8_lossy(self.file_system).into_owned(),
        }
    }

    fn is_at(&self, point: &Path) -> bool {
        unescaped(self.point) == point.as_os_str().as_bytes()
    }
}

fn lines(table: &[u8]) -> impl Iterator<Item = Line<'_>> {
    table.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let identity = fields.next()?;
        let point = fields.nth(3)?;
        // A varying number of optional fields ends with a lone hyphen; the type follows.
        fields.find(|field| *field == b"-")?;
        Some(Line { identity, point, file_system: fields.next()? })
    })
}

/// Blank, tab, newline and backslash are written as `\` and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.first_chunk::<3>().filter(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'7')));
        match octal {
            Some(digits) if first == b'\\' => {
                plain.push(digits.iter().fold(0_u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')));
                rest = &tail[3..];
            }
            _ => {
                plain.push(first);
                rest = tail;
            }
        }
    }
    plain
}

/// Whether the root of the mount answers; past the attribute cache, which outlives the server by a second or more.
fn answers(point: &Path) -> bool {
    let asked: io::Result<_> = rustix::fs::statx(CWD, point, AtFlags::STATX_FORCE_SYNC, StatxFlags::TYPE);
    asked.is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn escaped_mount_points_are_read_back() {
        assert_eq!(unescaped(br"/mnt/a\040b\134c\0"), br"/mnt/a b\c\0");
    }

    #[test]
    fn optional_fields_do_not_hide_the_type() {
        let table = b"36 35 98:0 /x /mnt/a rw shared:1 master:2 - fuse.sshfs host rw\n1 0 0:1 / / rw - ext4 d rw\n";
        let mounts: Vec<Mount> = lines(table).map(|line| line.mount()).collect();
        assert_eq!(mounts[0], Mount { point: "/mnt/a".into(), file_system: "fuse.sshfs".into() });
        assert_eq!(mounts[1].file_system, "ext4");
        assert!(mounts[0].has_a_server());
        assert!(!mounts[1].has_a_server());
    }

    #[test]
    fn path_and_descriptor_agree_on_the_mount() {
        let file = std::fs::File::open("/proc/self/status").unwrap();
        let mount = mount_of_descriptor(file.as_fd()).unwrap();
        assert_eq!(mount.file_system, "proc");
        assert_eq!(mount_of(Path::new("/proc/self/status")), Some(mount.clone()));
        assert!(mount.is_there());
    }

    #[test]
    fn an_empty_mount_point_is_not_the_mount() {
        let directory = tempfile::tempdir().unwrap();
        let gone = Mount { point: directory.path().into(), file_system: "fuse.sshfs".into() };
        assert!(!gone.is_there());
        let other = Mount { point: "/proc".into(), file_system: "fuse.sshfs".into() };
        assert!(!other.is_there());
    }
}
