//! What a reopened file keeps, and what it must not claim. An error that is made deadly stands for the dead server.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::connection::Membership;
use crate::covered::{Covered, cover};
use crate::kernel::{borrow_number, replace};
use crate::recover::step::{Step, at_every_step};
use crate::recover::{Outcome, Request, TABLE, call};
use crate::sync::Arc;
use crate::sync::thread::ThreadId;
use crate::testing::{is_asleep, own, until};

/// A file that is covered by [`Reopen`](crate::Reopen) and dies of EINVAL.
fn covered_file(content: &[u8]) -> (NamedTempFile, Covered) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let opened = File::options().read(true).write(true).open(file.path()).unwrap();
    let covered = cover(opened).recovered_by(crate::Reopen::recorded()).dying_of([Errno::INVAL]).at_most(1);
    let covered = covered.attach().unwrap();
    (file, covered)
}

/// A call that ends with EINVAL on a living file as well: one recovery, then the limit is reached.
fn die(covered: &Covered) {
    let error = covered.read_at(&mut [0; 4], u64::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(covered.report().recoveries, 1, "{:?}", covered.report());
}

#[test]
fn the_offset_survives() {
    let (_file, covered) = covered_file(b"hello world");
    (&covered).seek(SeekFrom::Start(6)).unwrap();
    die(&covered);
    let mut rest = String::new();
    (&covered).read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "world");
}

#[test]
fn an_offset_beyond_the_end_is_no_acknowledged_size() {
    let (_file, covered) = covered_file(b"hello");
    (&covered).seek(SeekFrom::Start(1 << 20)).unwrap();
    die(&covered);
    assert_eq!((&covered).stream_position().unwrap(), 1 << 20);
}

#[test]
fn a_file_that_came_back_without_what_was_written_is_refused() {
    let (file, covered) = covered_file(b"");
    (&covered).write_all(b"acknowledged").unwrap();
    let shorter = NamedTempFile::new().unwrap();
    std::fs::rename(shorter.path(), file.path()).unwrap();
    covered.read_at(&mut [0; 4], u64::MAX).unwrap_err();
    let report = covered.report();
    assert_eq!(report.recoveries, 0);
    assert!(report.last_error.unwrap().contains("12"), "it names what is missing");
}

#[test]
fn a_file_that_the_application_has_truncated_is_not_missing_anything() {
    let (_file, covered) = covered_file(b"");
    (&covered).write_all(&[7; 1000]).unwrap();
    covered.set_len(0).unwrap();
    die(&covered);
}

#[test]
fn asking_for_the_offset_does_not_make_it_doubtful() {
    let (file, covered) = covered_file(b"");
    (&covered).write_all(b"acknowledged").unwrap();
    assert_eq!((&covered).stream_position().unwrap(), 12);
    std::fs::rename(NamedTempFile::new().unwrap().path(), file.path()).unwrap();
    covered.read_at(&mut [0; 4], u64::MAX).unwrap_err();
    assert_eq!(covered.report().recoveries, 0);
}

#[test]
fn a_file_whose_failing_number_is_closed_and_reused_is_recovered_under_its_other_numbers() {
    for at in [Step::Busy, Step::Obtained] {
        let (_file, covered) = covered_file(b"hello");
        let twin = covered.try_clone().unwrap();
        // A number that no other test is given.
        let (number, source) = (900 + i32::from(at == Step::Busy), covered.as_raw_fd());
        let copy = || replace(borrow_number(source)?, number, true).map(|()| number);
        super::super::duplicate(&TABLE, source, Membership::Asked, copy, |_| {}).unwrap();
        let reuse = move |step| {
            if step == at && super::super::detach(&TABLE, number).is_ok() {
                replace(File::open("/dev/null").unwrap().as_fd(), number, true).unwrap();
            }
        };
        let read = || {
            call(&TABLE, number, Request::read_at(4, 0), |number| {
                // The death of the first call; nothing may be read through the number once it is a stranger's.
                rustix::io::pread(borrow_number(number)?, &mut [0; 4], u64::MAX)
            })
        };
        assert_eq!(at_every_step(reuse, read), Err(Errno::INVAL).into());
        for member in [&covered, &twin] {
            assert!(TABLE.lookup(member.as_raw_fd()).is_some(), "closed at {at:?}");
            assert_eq!(member.read_at(&mut [0; 5], 0).unwrap(), 5);
        }
        assert_eq!(covered.report().recoveries, 1, "closed at {at:?}: {:?}", covered.report());
        let dev_null = rustix::fs::fstat(borrow_number(number).unwrap()).unwrap();
        assert_eq!(dev_null.st_rdev, rustix::fs::stat("/dev/null").unwrap().st_rdev, "the stranger was left alone");
        drop(own(number));
    }
}

#[test]
fn the_first_sync_after_a_recovery_says_that_something_may_be_lost() {
    let (_file, covered) = covered_file(b"");
    (&covered).write_all(b"not yet durable").unwrap();
    die(&covered);
    assert_eq!(covered.sync_all().unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    covered.sync_all().unwrap();
}

#[test]
fn a_sync_that_waits_for_a_recovery_does_not_claim_success() {
    let (_file, covered) = covered_file(b"");
    (&covered).write_all(b"not yet durable").unwrap();
    let covered = Arc::new(covered);
    let syncing = Rc::new(RefCell::new(None));
    let (other, kept) = (Arc::clone(&covered), Rc::clone(&syncing));
    let hook = move |step| {
        if step == Step::Busy && kept.borrow().is_none() {
            let other = Arc::clone(&other);
            let (tell, told) = std::sync::mpsc::channel();
            *kept.borrow_mut() = Some(std::thread::spawn(move || {
                tell.send(ThreadId::current().as_raw()).unwrap();
                other.sync_all()
            }));
            let thread = told.recv().unwrap();
            until("the sync waits", || is_asleep(thread));
        }
    };
    at_every_step(hook, || die(&covered));
    syncing.take().unwrap().join().unwrap().unwrap_err();
    assert_eq!(covered.take_outcome(), Outcome::GivenUp);
}

#[test]
fn a_lock_taken_right_after_the_recovery_is_not_dropped_by_it() {
    let (_file, covered) = covered_file(b"hello");
    let number = covered.as_raw_fd();
    let locked = Cell::new(false);
    let lock = move |step| {
        if step == Step::Settled && !locked.replace(true) {
            fcntl_lock(borrow_number(number).unwrap(), FlockOperation::NonBlockingLockExclusive).unwrap();
        }
    };
    at_every_step(lock, || die(&covered));
    let inode = format!(":{} ", covered.stat().unwrap().st_ino);
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    assert!(locks.lines().any(|lock| lock.contains("POSIX") && lock.contains(&inode)), "{locks}");
}
