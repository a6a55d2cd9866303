//! Clients of a file server: known content read in sequence and by position, and a journal that is appended to.

use std::fs::File;
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ha_core::Outcome;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;

use super::beat::{Beat, Step};
use super::cleanup::Place;
use super::client::{Endpoint, Number, Numbers, Revival, cover};
use super::course::CourseError;
use super::journal::{Journal, journal_record};
use super::lines::{Line, Lines};
use super::options::Options;
use super::scene::Scene;
use super::strangers;
use crate::record;

/// The file with known content, as the file server names it.
pub(crate) const DATA: &str = "data";

/// Its size: not a multiple of anything that is read at once.
pub(crate) const DATA_SIZE: u64 = (4 << 20) + 123;

/// What its content is made from.
pub(crate) const DATA_KEY: u64 = 0x0068_612d_6461_7461;

/// One read in this many is followed by a look at the offset.
const LOOK_EVERY: u32 = 16;

/// A connection's journal, as the file server names it.
pub(crate) fn journal_name(connection: u32) -> String {
    format!("journal-{connection}")
}

/// Makes the journals, empty, where the file server keeps them.
pub(crate) fn prepare(store: &Path, connections: u32) -> io::Result<()> {
    (0..connections).try_for_each(|connection| File::create(store.join(journal_name(connection))).map(drop))
}

/// Opens all connections. Each consists of the data file, shared by two threads, and a journal.
pub(crate) fn open(scene: &Arc<Scene>, options: &Options, place: &Place, lines: &mut Lines) -> Result<(), CourseError> {
    for index in 0..options.threads {
        lines.add(connect(scene, options, place, index)?);
    }
    Ok(())
}

fn connect(scene: &Arc<Scene>, options: &Options, place: &Place, index: u32) -> Result<Line, CourseError> {
    let name = format!("fuse connection {index}");
    let covered = |file: String, flags: OFlag, what: &str| -> Result<Arc<Numbers>, CourseError> {
        let endpoint = Endpoint::Path(place.mountpoint().join(file), flags);
        let descriptor = endpoint.open()?;
        let episodes = scene.episodes_of(format!("{name} {what}"));
        episodes.reached(server_behind(descriptor.as_fd())?);
        let witness = Arc::clone(&episodes);
        let prelude = Box::new(move |file: BorrowedFd<'_>| {
            witness.reached(server_behind(file)?);
            Ok(())
        });
        let revival = Revival { endpoint, prelude };
        Ok(Arc::new(cover(options.client, descriptor, revival, &episodes, options.dups)?))
    };
    let data = covered(DATA.to_owned(), OFlag::O_RDONLY, "data")?;
    let journal = covered(journal_name(index), OFlag::O_WRONLY | OFlag::O_APPEND, "journal")?;
    let written = Arc::new(Mutex::new(Journal::default()));

    let sequential = {
        let data = Arc::clone(&data);
        scene.spawn(format!("{name} sequential reader"), move |scene, beat| read_in_sequence(scene, beat, &data))?
    };
    let positioned = {
        let data = Arc::clone(&data);
        scene.spawn(format!("{name} positioned reader"), move |scene, beat| {
            read_by_position(scene, beat, &data, index);
        })?
    };
    let appender = {
        let (journal, written) = (Arc::clone(&journal), Arc::clone(&written));
        scene.spawn(format!("{name} writer"), move |scene, beat| append(scene, beat, &journal, &written, index))?
    };
    let strangers = strangers::invite(scene, &name, &data)?;
    let kept: PathBuf = place.root().join(journal_name(index));
    let settle = move |scene: &Scene| {
        drop((data, journal));
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::read(&kept) {
            Ok(bytes) => written.check(&bytes, index).enter(scene, &name),
            Err(error) => scene.fault(format!("{name}: the journal cannot be read: {error}")),
        }
    };
    Ok(Line { threads: vec![sequential, positioned, appender, strangers], settle: Box::new(settle) })
}

/// The incarnation of the server that serves this file: each gives itself away by the time of the last access.
fn server_behind(file: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(fstat(file)?.st_atime.cast_unsigned())
}

/// Reads the whole file from beginning to end, again and again, by a description that another thread uses as well.
fn read_in_sequence(scene: &Scene, beat: &Beat, data: &[Box<dyn Number>]) {
    let mut random = fastrand::Rng::with_seed(scene.seed);
    let mut bytes = vec![0; 16 << 10];
    let mut offset = 0;
    for covered in data.iter().cycle() {
        if scene.is_stopping() {
            return;
        }
        let wanted = random.usize(1..bytes.len());
        match beat.call(Step::Read, covered.as_raw_fd(), || covered.read(&mut bytes[..wanted])) {
            Ok(0) if offset == DATA_SIZE => {
                offset = 0;
                if let Err(error) = beat.call(Step::Seek, covered.as_raw_fd(), || covered.seek(SeekFrom::Start(0))) {
                    return scene.fault(format!("seek failed in spite of its cover: {error}"));
                }
            }
            Ok(0) => return scene.corruption(format!("a false end of file at {offset} of {DATA_SIZE}")),
            Ok(count) => {
                check(scene, offset, &bytes[..count]);
                offset += count as u64;
            }
            Err(error) => return scene.fault(format!("read failed in spite of its cover: {error}")),
        }
        if random.u32(0..LOOK_EVERY) == 0 {
            match beat.call(Step::Seek, covered.as_raw_fd(), || covered.seek(SeekFrom::Current(0))) {
                Ok(position) if position == offset => {}
                Ok(position) => return scene.corruption(format!("the offset is {position} instead of {offset}")),
                Err(error) => return scene.fault(format!("seek failed in spite of its cover: {error}")),
            }
        }
    }
}

/// Reads pieces of the file at random.
fn read_by_position(scene: &Scene, beat: &Beat, data: &[Box<dyn Number>], connection: u32) {
    let mut random = fastrand::Rng::with_seed(scene.seed ^ u64::from(connection));
    let mut bytes = vec![0; 64 << 10];
    for covered in data.iter().cycle().skip(1) {
        if scene.is_stopping() {
            return;
        }
        let offset = random.u64(0..DATA_SIZE);
        // Most reads are short; a long one is split into several requests by the kernel.
        let wanted = if random.u32(0..16) == 0 { bytes.len() } else { random.usize(1..4096) };
        match beat.call(Step::ReadAt, covered.as_raw_fd(), || covered.read_at(&mut bytes[..wanted], offset)) {
            Ok(0) => return scene.corruption(format!("a false end of file at {offset} of {DATA_SIZE}")),
            Ok(count) => check(scene, offset, &bytes[..count]),
            Err(error) => return scene.fault(format!("read_at failed in spite of its cover: {error}")),
        }
    }
}

/// Appends numbered records to the journal.
fn append(scene: &Scene, beat: &Beat, journal: &[Box<dyn Number>], written: &Mutex<Journal>, connection: u32) {
    for (number, covered) in (0_u64..).zip(journal.iter().cycle()) {
        if scene.is_stopping() {
            return;
        }
        let bytes = journal_record(connection, number).encode();
        match beat.call(Step::Write, covered.as_raw_fd(), || covered.write(&bytes)) {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => return scene.fault(format!("write returned {count} of {} bytes", bytes.len())),
            Err(error) => return scene.fault(format!("write failed in spite of its cover: {error}")),
        }
        let issued_again = covered.take_outcome() != Outcome::Intact;
        written.lock().unwrap_or_else(PoisonError::into_inner).acknowledge(number, issued_again);
    }
}

fn check(scene: &Scene, offset: u64, bytes: &[u8]) {
    if offset + bytes.len() as u64 > DATA_SIZE {
        scene.corruption(format!("{} bytes were read at {offset}, beyond the end at {DATA_SIZE}", bytes.len()));
    } else if !record::is_filled(DATA_KEY, offset, bytes) {
        scene.corruption(format!("wrong bytes among the {} read at {offset}", bytes.len()));
    }
}
