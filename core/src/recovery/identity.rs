//! Whether the file found at a path is the one that was there before.
//!
//! Device and inode number are given out anew when a file system is mounted again (measured), so they prove nothing.
//! Size, time and contents do.

use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::fd::BorrowedFd;

use super::invalid;

/// How much of a file's end is compared.
const LAST_BLOCK: u64 = 4096;

/// What a file is recognised by; each part is recorded only if it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    modified: Option<(i64, i64)>,
    last_block: Option<LastBlock>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LastBlock {
    offset: u64,
    length: usize,
    fingerprint: u64,
}

impl Identity {
    /// Looks at the file while it is healthy.
    pub(super) fn of(fd: BorrowedFd<'_>, check_time: bool, check_block: bool) -> io::Result<Self> {
        let mut identity = Self::default();
        if !check_time && !check_block {
            return Ok(identity);
        }
        let status = rustix::fs::fstat(fd)?;
        if check_time {
            identity.modified = Some(modification_time(&status));
        }
        if check_block {
            let size = u64::try_from(status.st_size).unwrap_or(0);
            let offset = size.saturating_sub(LAST_BLOCK);
            let length = usize::try_from(size - offset).unwrap_or(0);
            let block = LastBlock::read(fd, offset, length)
                .map_err(|_| invalid("the last block can only be checked on a file that is open for reading"))?;
            identity.last_block = Some(block);
        }
        Ok(identity)
    }

    /// Whether `fd` is the same file; the error says what differs.
    ///
    /// `least` is the size in bytes below which acknowledged writes would have been lost.
    pub(super) fn verify(&self, fd: BorrowedFd<'_>, least: u64) -> io::Result<Result<(), String>> {
        if self.modified.is_none() && self.last_block.is_none() && least == 0 {
            return Ok(Ok(()));
        }
        let status = rustix::fs::fstat(fd)?;
        let size = u64::try_from(status.st_size).unwrap_or(0);
        if size < least {
            return Ok(Err(format!("the file has {size} bytes, but {least} had been acknowledged")));
        }
        if self.modified.is_some_and(|before| modification_time(&status) < before) {
            return Ok(Err("the file is older than the one that was open".to_owned()));
        }
        if let Some(before) = &self.last_block
            && LastBlock::read(fd, before.offset, before.length)? != *before
        {
            return Ok(Err(format!("the file differs at offset {}", before.offset)));
        }
        Ok(Ok(()))
    }
}

impl LastBlock {
    fn read(fd: BorrowedFd<'_>, offset: u64, length: usize) -> io::Result<Self> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let at = offset + filled as u64;
            match rustix::io::retry_on_intr(|| rustix::io::pread(fd, &mut bytes[filled..], at))? {
                0 => break,
                more => filled += more,
            }
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes[..filled]);
        Ok(Self { offset, length: filled, fingerprint: hasher.finish() })
    }
}

fn modification_time(status: &rustix::fs::Stat) -> (i64, i64) {
    // The field types differ between architectures.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    (status.st_mtime as i64, status.st_mtime_nsec as i64)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::os::fd::AsFd;

    use super::*;

    fn file(contents: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        file
    }

    #[test]
    fn a_file_that_has_grown_is_still_the_same() {
        let mut grown = file(&[7; 5000]);
        let before = Identity::of(grown.as_fd(), true, true).unwrap();
        grown.write_all(b"more").unwrap();
        assert_eq!(before.verify(grown.as_fd(), 5004).unwrap(), Ok(()));
    }

    #[test]
    fn a_changed_last_block_is_noticed() {
        let mut changed = file(&[7; 5000]);
        let before = Identity::of(changed.as_fd(), false, true).unwrap();
        changed.seek(SeekFrom::Start(4999)).unwrap();
        changed.write_all(b"x").unwrap();
        assert_eq!(before.verify(changed.as_fd(), 0).unwrap(), Err("the file differs at offset 904".to_owned()));
    }

    #[test]
    fn a_file_that_has_lost_acknowledged_bytes_is_refused() {
        let short = file(b"four");
        let error = Identity::default().verify(short.as_fd(), 5).unwrap().unwrap_err();
        assert_eq!(error, "the file has 4 bytes, but 5 had been acknowledged");
    }

    #[test]
    fn an_older_file_is_refused() {
        let before = file(b"a");
        let identity = Identity::of(before.as_fd(), true, false).unwrap();
        let older = file(b"a");
        older.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(identity.verify(older.as_fd(), 0).unwrap().is_err());
    }

    #[test]
    fn a_write_only_file_cannot_have_its_last_block_checked() {
        let directory = tempfile::tempdir().unwrap();
        let mut unreadable = std::fs::File::create(directory.path().join("file")).unwrap();
        unreadable.write_all(b"x").unwrap();
        let error = Identity::of(unreadable.as_fd(), false, true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
