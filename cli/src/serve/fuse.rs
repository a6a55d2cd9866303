//! The file server: a file of known content, and journals that are kept where they survive its death.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, Session,
    WriteFlags,
};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::mischief::Mischief;
use super::{Options, ready};
use crate::drill::{Sabotage, wire};
use crate::record;

/// Nothing is remembered by the kernel: each call reaches the server, and so notices that it is dead.
const TTL: Duration = Duration::ZERO;

/// The inode of the file with known content.
const DATA: u64 = 2;

/// The inode of the first journal.
const JOURNALS: u64 = 16;

/// Mounts and serves.
pub(super) fn serve(options: &Options) -> io::Result<()> {
    let store = options.store.clone().ok_or_else(|| io::Error::other("a file server needs --store"))?;
    let refused = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    // Asked for separately, because the error of a failed mount does not say which of the two it was.
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(|error| refused("cannot open /dev/fuse", error))?;
    unmount_on_signal(options.at.clone().into())?;
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("ha-drill".to_owned()), MountOption::NoDev, MountOption::NoSuid];
    config.n_threads = Some(3);
    let files = Files {
        store,
        connections: u64::from(options.connections),
        incarnation: options.incarnation,
        mischief: Mutex::new(Mischief::new(options, 0)),
    };
    let session = Session::new(files, &options.at, &config).map_err(|error| refused("cannot mount", error))?;
    ready()?;
    session.run()
}

/// When the drill dies, its file server takes the mount away before it goes, too.
fn unmount_on_signal(mountpoint: PathBuf) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM])?;
    std::thread::Builder::new().spawn(move || {
        if signals.forever().next().is_some() {
            // If this fails there is nothing left to try.
            let _ = rustix::mount::unmount(&mountpoint, rustix::mount::UnmountFlags::DETACH);
            std::process::exit(0);
        }
    })?;
    Ok(())
}

struct Files {
    store: PathBuf,
    connections: u64,
    incarnation: u64,
    mischief: Mutex<Mischief>,
}

impl Files {
    /// The journal of this inode, where it is kept.
    fn journal(&self, ino: INodeNo) -> Option<PathBuf> {
        let index = ino.0.checked_sub(JOURNALS).filter(|index| *index < self.connections)?;
        Some(self.store.join(wire::journal_name(u32::try_from(index).ok()?)))
    }

    fn find(&self, name: &OsStr) -> Option<INodeNo> {
        if name == wire::DATA {
            return Some(INodeNo(DATA));
        }
        let names = (0..self.connections).zip(0_u32..);
        names
            .into_iter()
            .find(|(_, index)| name == wire::journal_name(*index).as_str())
            .map(|(at, _)| INodeNo(JOURNALS + at))
    }

    fn attributes(&self, ino: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size) = match ino.0 {
            1 => (FileType::Directory, 0o755, 0),
            DATA => (FileType::RegularFile, 0o444, wire::DATA_SIZE),
            _ => (FileType::RegularFile, 0o644, std::fs::metadata(self.journal(ino)?).ok()?.len()),
        };
        Some(FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            // The time of the last access tells which server answers: so many seconds after the beginning of time.
            atime: UNIX_EPOCH + Duration::from_secs(self.incarnation),
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// Now and then an operation takes its time, so that a kill can come in the middle of it.
    fn dawdle(&self) {
        let pause = self.mischief.lock().unwrap_or_else(PoisonError::into_inner).pause();
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
    }

    fn sabotages(&self, number: u64) -> Option<Sabotage> {
        self.mischief.lock().unwrap_or_else(PoisonError::into_inner).sabotages(number)
    }

    fn append(&self, journal: &Path, data: &[u8]) -> io::Result<()> {
        let mut file: File = OpenOptions::new().append(true).open(journal)?;
        match record::header(data).ok().and_then(|header| self.sabotages(header.number)) {
            None => file.write_all(data),
            Some(Sabotage::Lose) => Ok(()),
            Some(Sabotage::Corrupt) => file.write_all(&data.iter().map(|byte| byte ^ 0x10).collect::<Vec<u8>>()),
            Some(Sabotage::Duplicate) => file.write_all(&data.repeat(2)),
        }
    }
}

impl Filesystem for Files {
    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(name).and_then(|ino| self.attributes(ino)) {
            Some(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(ino) {
            Some(attributes) => reply.attr(&TTL, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _request: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.dawdle();
        if ino.0 != DATA {
            return reply.error(Errno::EACCES);
        }
        let length = wire::DATA_SIZE.saturating_sub(offset).min(u64::from(size));
        let mut bytes = vec![0; length as usize];
        record::fill(wire::DATA_KEY, offset, &mut bytes);
        // What is lost or duplicated here would be a journal's record.
        if let (Some(Sabotage::Corrupt), Some(first)) = (self.sabotages(offset), bytes.first_mut()) {
            *first ^= 0x10;
        }
        reply.data(&bytes);
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _offset: u64,
        data: &[u8],
        _kind: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(journal) = self.journal(ino) else { return reply.error(Errno::EACCES) };
        match self.append(&journal, data) {
            Ok(()) => {
                // Written and not yet acknowledged: the moment in which a death makes the record come twice.
                self.dawdle();
                reply.written(data.len() as u32);
            }
            Err(error) => reply.error(error.into()),
        }
    }

    fn flush(&self, _request: &Request, _ino: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _request: &Request, _ino: INodeNo, _handle: FileHandle, _data: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(&self, _request: &Request, _ino: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let journals = (0..self.connections).zip(0_u32..).map(|(at, index)| (JOURNALS + at, wire::journal_name(index)));
        let files = std::iter::once((DATA, wire::DATA.to_owned())).chain(journals);
        let directories = [".", ".."].map(|name| (1, FileType::Directory, name.to_owned()));
        let entries = directories.into_iter().chain(files.map(|(ino, name)| (ino, FileType::RegularFile, name)));
        for (at, (ino, kind, name)) in (1_u64..).zip(entries).skip(offset as usize) {
            if reply.add(INodeNo(ino), at, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}
