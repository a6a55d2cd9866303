//! Partial transfers, vectored and positioned calls, and results that only look like a death.

use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::connection::function::Failure;
use crate::covered::cover;
use crate::testing::{Server, echo, pour, silence, while_all_sleep};

#[test]
fn a_record_torn_by_the_servers_death_is_read_again_whole() {
    // The first server sends half a record and dies.
    let (client, mut first) = UnixStream::pair().unwrap();
    let second = Server::that(|mut stream| stream.write_all(&[2; 8]).unwrap());
    let covered = cover(client).recovered_with(second.again()).attach().unwrap();
    first.write_all(&[1; 4]).unwrap();
    drop(first);
    let mut record = [0; 8];
    assert_eq!(covered.recv(&mut record, RecvFlags::WAITALL).unwrap(), 8);
    assert_eq!(record, [2; 8], "no byte of the torn record");
    assert_eq!(covered.report().last_failure, Some(Failure::Torn(4)));
}

#[test]
fn a_write_torn_by_the_servers_death_is_sent_again_whole() {
    let first = Server::that(silence);
    let (sender, receiver) = std::sync::mpsc::channel::<OwnedFd>();
    let covered = cover(first.connect())
        .recovered_with(move |_| {
            let (client, server) = UnixStream::pair().unwrap();
            sender.send(server.into()).unwrap();
            Ok(client.into())
        })
        .attach()
        .unwrap();
    let message = vec![5; 4 << 20];
    let reader = std::thread::spawn(move || {
        let mut second = UnixStream::from(receiver.recv().unwrap());
        let mut got = vec![0; 4 << 20];
        second.read_exact(&mut got).unwrap();
        got
    });
    let sent = while_all_sleep(1, |_| covered.send(&message, SendFlags::empty()).unwrap(), || first.die());
    assert_eq!(sent, [message.len()]);
    assert!(reader.join().unwrap() == message);
    assert!(matches!(covered.report().last_failure, Some(Failure::Torn(1..))));
}

#[test]
fn a_short_transfer_of_a_living_connection_is_no_death() {
    let server = Server::that(silence);
    let covered = server.covered();
    covered.set_nonblocking(true).unwrap();
    let message = vec![5; 4 << 20];
    let sent = (&covered).write(&message).unwrap();
    assert!(0 < sent && sent < message.len());
    assert_eq!((&covered).write(&message).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(covered.report().episodes, 0);
}

#[test]
fn vectored_calls_are_issued_again_with_all_their_buffers() {
    let server = Server::that(echo);
    let covered = server.covered();
    server.die();
    let parts = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    assert_eq!((&covered).write_vectored(&parts).unwrap(), 6);
    let (mut left, mut right) = ([0; 2], [0; 4]);
    let mut got = 0;
    while got < 6 {
        let mut parts = [IoSliceMut::new(&mut left), IoSliceMut::new(&mut right)];
        got += (&covered).read_vectored(&mut parts).unwrap();
    }
    assert_eq!(server.recoveries(), 1);
}

#[test]
fn looking_without_taking_recovers_as_well() {
    let server = Server::that(silence);
    let next = Server::that(pour);
    let covered = cover(server.connect()).recovered_with(next.again()).attach().unwrap();
    server.die();
    let mut byte = [0];
    assert_eq!(covered.recv(&mut byte, RecvFlags::PEEK).unwrap(), 1);
    assert_eq!(covered.recv(&mut byte, RecvFlags::empty()).unwrap(), 1);
    assert_eq!(byte, [7]);
}

#[test]
fn a_request_for_nothing_is_no_end_of_file() {
    let server = Server::that(echo);
    let covered = server.covered();
    server.die();
    assert_eq!((&covered).read(&mut []).unwrap(), 0);
    assert_eq!(covered.report().episodes, 0);
}

#[test]
fn an_end_of_file_can_be_what_the_protocol_ends_with() {
    let server = Server::that(drop);
    let covered = cover(server.connect()).recovered_with(server.again()).ending_with_end_of_file().attach().unwrap();
    assert_eq!((&covered).read(&mut [0]).unwrap(), 0);
    assert_eq!(server.recoveries(), 0);
}

#[test]
fn what_follows_from_our_own_shutdown_is_no_death() {
    let server = Server::that(echo);
    let covered = server.covered();
    covered.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!((&covered).read(&mut [0]).unwrap(), 0);
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(server.recoveries(), 0);
}

#[test]
fn a_recovered_connection_is_shut_in_no_direction() {
    let server = Server::that(echo);
    let covered = cover(server.connect())
        .recovered_with(server.again())
        .dying_of([Errno::INVAL])
        .spreading(Duration::ZERO)
        .at_most(2)
        .attach()
        .unwrap();
    covered.shutdown(std::net::Shutdown::Write).unwrap();
    // Sockets have no length: EINVAL, which is deadly here.
    covered.set_len(1).unwrap_err();
    (&covered).write_all(b"open again").unwrap();
    covered.forgive();
    server.die();
    (&covered).write_all(b"and its death is a death").unwrap();
}

#[test]
fn a_reader_woken_by_another_threads_shutdown_sees_its_end() {
    for _ in 0..100 {
        let server = Server::that(silence);
        let covered = server.covered();
        let both = std::net::Shutdown::Both;
        let read = while_all_sleep(1, |_| (&covered).read(&mut [0]).unwrap(), || covered.shutdown(both).unwrap());
        assert_eq!(read, [0]);
        assert_eq!(server.recoveries(), 0);
    }
}

/// A character device that fails as asked: /dev/full stands for a dead one, /dev/zero for the one that comes back.
fn device_that_dies_of(errno: Errno) -> crate::Covered {
    let open = |path: &str| std::fs::File::options().read(true).write(true).open(path);
    cover(open("/dev/full").unwrap())
        .recovered_with(move |_| Ok(open("/dev/zero")?.into()))
        .dying_of([errno])
        .spreading(Duration::ZERO)
        .attach()
        .unwrap()
}

#[test]
fn errors_can_be_added_to_those_that_are_deadly() {
    let covered = device_that_dies_of(Errno::NOSPC);
    assert_eq!((&covered).write(b"x").unwrap(), 1);
    assert_eq!(covered.write_at(b"x", 5).unwrap(), 1);
    assert_eq!(covered.report().recoveries, 1);
}

#[test]
fn a_failed_sync_repairs_and_still_fails() {
    // fsync of a character device: EINVAL.
    let covered = device_that_dies_of(Errno::INVAL);
    assert_eq!(covered.sync_all().unwrap_err().raw_os_error(), Some(Errno::INVAL.raw_os_error()));
    assert_eq!(covered.report().recoveries, 1);
}

#[test]
fn a_file_is_read_written_and_measured_like_any_other() {
    let covered = cover(tempfile::tempfile().unwrap()).recovered_by(crate::testing::Never).attach().unwrap();
    (&covered).write_all(b"hello").unwrap();
    assert_eq!((&covered).seek(SeekFrom::Start(1)).unwrap(), 1);
    let mut text = String::new();
    (&covered).read_to_string(&mut text).unwrap();
    assert_eq!(text, "ello");
    assert_eq!(covered.write_at(b"J", 0).unwrap(), 1);
    assert_eq!(covered.read_at(&mut [0; 5], 0).unwrap(), 5);
    covered.sync_all().unwrap();
    covered.set_len(2).unwrap();
    assert_eq!(covered.stat().unwrap().st_size, 2);
    assert_eq!((&covered).read(&mut [0; 5]).unwrap(), 0, "an end of file that is one");
    assert_eq!(covered.report().episodes, 0);
}
