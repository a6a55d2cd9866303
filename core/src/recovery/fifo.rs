//! Opening a FIFO without waiting longer than allowed for the other side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags};

use crate::kernel::description::wait_for;
use crate::sync::clock::Moment;

/// How long one attempt waits for a writer; the engine decides about another one.
const PATIENCE: Duration = Duration::from_secs(1);
/// A FIFO does not wake a poll when a writer opens it, only when there is data: look again this often.
const SLICE: Duration = Duration::from_millis(10);

/// Opens the FIFO in non-blocking mode, and returns when somebody has the other side open.
///
/// # Errors
///
/// `ENXIO` when nobody has yet; that is the moment to try again.
pub(super) fn open(path: &Path, flags: OFlags, remaining: Option<Duration>) -> io::Result<OwnedFd> {
    // For a writer, ENXIO is the kernel's own answer when there is no reader (fifo(7)).
    let fifo = rustix::fs::openat(CWD, path, flags | OFlags::NONBLOCK, Mode::empty())?;
    if flags & OFlags::RWMODE == OFlags::RDONLY {
        wait_for_writer(fifo.as_fd(), remaining.map_or(PATIENCE, |left| left.min(PATIENCE)))?;
    }
    Ok(fifo)
}

fn wait_for_writer(reader: BorrowedFd<'_>, patience: Duration) -> io::Result<()> {
    let until = Moment::after(patience);
    while !has_writer(reader)? {
        let left = until.remaining();
        if left.is_zero() {
            return Err(Errno::NXIO.into());
        }
        // Only the hang-up of a writer that came and went makes this return early and empty-handed.
        wait_for(reader, PollFlags::IN, left.min(SLICE))?;
    }
    Ok(())
}

/// Whether somebody has the FIFO open for writing, or has left data in it.
///
/// A read cannot tell a writer that has not come yet from one that has gone. tee(2) consumes nothing and can: 0 without
/// a writer, `EAGAIN` with a silent one, 1 with data.
fn has_writer(reader: BorrowedFd<'_>) -> io::Result<bool> {
    let (_keep, into) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    match rustix::pipe::tee(reader, &into, 1, SpliceFlags::NONBLOCK) {
        Ok(0) => Ok(false),
        Ok(_) | Err(Errno::AGAIN) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::PathBuf;

    use super::*;

    fn fifo(directory: &tempfile::TempDir) -> PathBuf {
        let path = directory.path().join("fifo");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    const READ: OFlags = OFlags::RDONLY;
    const WRITE: OFlags = OFlags::WRONLY;

    #[test]
    fn a_reader_waits_until_a_silent_writer_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = fifo(&directory);
        std::thread::scope(|scope| {
            // Blocks until the reader has the FIFO open.
            let writer = scope.spawn(|| std::fs::File::options().write(true).open(&path).unwrap());
            let reader = loop {
                match open(&path, READ, None) {
                    Ok(reader) => break reader,
                    Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENXIO)),
                }
            };
            writer.join().unwrap().write_all(b"x").unwrap();
            let mut byte = [0];
            std::fs::File::from(reader).read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"x");
        });
    }

    #[test]
    fn data_of_a_writer_that_has_gone_is_not_consumed() {
        let directory = tempfile::tempdir().unwrap();
        let path = fifo(&directory);
        let keep = open(&path, OFlags::RDWR, None).unwrap();
        rustix::io::write(&keep, b"left").unwrap();
        let mut reader = std::fs::File::from(open(&path, READ, Some(Duration::ZERO)).unwrap());
        drop(keep);
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "left");
    }

    #[test]
    fn nobody_on_the_other_side_is_reported_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = fifo(&directory);
        for flags in [READ, WRITE] {
            let error = open(&path, flags, Some(Duration::ZERO)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        }
    }
}
