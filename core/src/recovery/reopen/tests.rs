use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use rustix::io::Errno;

use super::*;
use crate::connection::function::Failure;

fn attempt(old: BorrowedFd<'_>, kind: Kind) -> Attempt<'_> {
    Attempt {
        old,
        number: old.as_raw_fd(),
        kind,
        failure: Failure::Errno(Errno::IO),
        count: 1,
        deadline: Some(crate::sync::clock::Moment::after(Duration::from_secs(10))),
        unread: 0,
        unsent: None,
        known_size: 0,
        in_place: false,
    }
}

fn reopened(function: &Reopen, old: &File, kind: Kind) -> File {
    match function.recover(&attempt(old.as_fd(), kind)).unwrap() {
        Recovered::Staged(new) => File::from(new),
        Recovered::InPlace => panic!("a file cannot be recovered in place"),
    }
}

/// A file with these contents, and the directory that holds it.
fn file_with(contents: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, contents).unwrap();
    (directory, path)
}

fn is_final(result: Result<Recovered, RecoveryError>) -> String {
    match result {
        Err(RecoveryError::Final(error)) => error.to_string(),
        other => panic!("expected a final error, not {other:?}"),
    }
}

#[test]
fn reading_goes_on_at_the_old_offset() {
    let (_directory, path) = file_with("0123456789");
    let mut old = File::open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    old.read_exact(&mut [0; 4]).unwrap();
    let mut rest = String::new();
    reopened(&function, &old, Kind::File).read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "456789");
}

#[test]
fn a_file_opened_with_truncation_keeps_its_contents_and_appends() {
    let (_directory, path) = file_with("old");
    let mut old = File::options().append(true).create(true).open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    old.write_all(b"+").unwrap();
    let mut new = reopened(&function, &old, Kind::File);
    assert!(rustix::fs::fcntl_getfl(&new).unwrap().contains(OFlags::APPEND));
    new.write_all(b"new").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old+new");

    let truncating = reopening(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC | OFlags::NONBLOCK);
    assert_eq!(truncating, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY);
}

#[test]
fn a_file_that_is_not_there_is_waited_for_and_never_created() {
    let (_directory, path) = file_with("x");
    let old = File::options().write(true).create(true).truncate(true).open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let result = function.recover(&attempt(old.as_fd(), Kind::File));
    assert!(matches!(result, Err(RecoveryError::Again(_))));
    assert!(!path.exists());
}

#[test]
fn a_file_that_lost_acknowledged_bytes_is_refused() {
    let (_directory, path) = file_with("0123");
    let old = File::options().write(true).open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    let attempt = Attempt { known_size: 5, ..attempt(old.as_fd(), Kind::File) };
    assert!(is_final(function.recover(&attempt)).contains("5 had been acknowledged"));
}

#[test]
fn another_file_under_the_path_is_refused_when_its_last_block_differs() {
    let (_directory, path) = file_with("0123");
    let old = File::open(&path).unwrap();
    let function = Reopen::recorded().checking_last_block();
    function.attached(old.as_fd()).unwrap();
    std::fs::write(&path, "012X and more").unwrap();
    assert!(is_final(function.recover(&attempt(old.as_fd(), Kind::File))).contains("differs"));
}

#[test]
fn a_directory_in_place_of_the_file_is_refused() {
    let (_directory, path) = file_with("0123");
    let old = File::open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(is_final(function.recover(&attempt(old.as_fd(), Kind::File))).contains("another type"));
}

#[test]
fn a_directory_is_read_from_its_beginning() {
    let (directory, _path) = file_with("");
    let old = File::open(directory.path()).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    let mut new = reopened(&function, &old, Kind::File);
    assert_eq!(new.stream_position().unwrap(), 0);
    assert!(new.metadata().unwrap().is_dir());
}

#[test]
fn a_mount_that_is_not_back_is_waited_for() {
    let (_directory, path) = file_with("local");
    let old = File::open(&path).unwrap();
    let function = Reopen::path(&path);
    function.attached(old.as_fd()).unwrap();
    let gone = Mount { point: path.parent().unwrap().to_owned(), file_system: "fuse.sshfs".to_owned() };
    let record = function.record.load_full().unwrap();
    function.record.store(Some(Arc::new(Record { mount: Some(gone), ..Record::clone(&record) })));
    let result = function.recover(&attempt(old.as_fd(), Kind::File));
    assert!(matches!(result, Err(RecoveryError::Again(error)) if error.kind() == io::ErrorKind::NotConnected));
}

#[test]
fn a_fifo_reader_gets_its_blocking_mode_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let writer = File::options().read(true).write(true).open(&path).unwrap();
    let old = File::open(&path).unwrap();
    let function = Reopen::recorded();
    function.attached(old.as_fd()).unwrap();
    let new = reopened(&function, &old, Kind::Pipe);
    assert!(!rustix::fs::fcntl_getfl(&new).unwrap().contains(OFlags::NONBLOCK));
    drop(writer);
}

#[test]
fn what_has_no_path_is_refused_when_attached() {
    let refused = |function: &Reopen, fd: BorrowedFd<'_>| function.attached(fd).unwrap_err().kind();
    let (pipe, _writer) = std::io::pipe().unwrap();
    assert_eq!(refused(&Reopen::recorded(), pipe.as_fd()), io::ErrorKind::InvalidInput);
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    assert_eq!(refused(&Reopen::recorded(), socket.as_fd()), io::ErrorKind::InvalidInput);
    let file = tempfile::tempfile().unwrap();
    assert_eq!(refused(&Reopen::path("relative"), file.as_fd()), io::ErrorKind::InvalidInput);
}

#[test]
fn one_function_does_not_serve_two_files() {
    let (_first_directory, first) = file_with("1");
    let (_second_directory, second) = file_with("2");
    let function = Reopen::recorded();
    function.attached(File::open(&first).unwrap().as_fd()).unwrap();
    function.attached(File::open(&first).unwrap().as_fd()).unwrap();
    let error = function.attached(File::open(&second).unwrap().as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(function.target(), Some(Target::Path(first.canonicalize().unwrap())));
}

#[test]
fn the_path_of_another_file_is_refused_when_attached() {
    let (_here, path) = file_with("this one");
    let (_there, other) = file_with("another one");
    let open = File::open(&path).unwrap();
    for wrong in [other, path.with_file_name("nobody")] {
        let error = Reopen::path(&wrong).attached(open.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", wrong.display());
    }
    Reopen::path(&path).attached(open.as_fd()).unwrap();
}

#[test]
fn the_last_block_of_a_file_that_is_only_written_cannot_be_checked() {
    let directory = tempfile::tempdir().unwrap();
    let empty = File::create(directory.path().join("empty")).unwrap();
    let error = Reopen::recorded().checking_last_block().attached(empty.as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
