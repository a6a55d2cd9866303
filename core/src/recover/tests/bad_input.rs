//! Bad input gets a clear error and changes nothing.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsRawFd, RawFd};

use rustix::io::Errno;

use crate::connection::Policy;
use crate::covered::cover;
use crate::error::AttachError;
use crate::recover::{Request, TABLE, attach, call, detach, replace};
use crate::testing::{Never, Server, echo};

fn try_to_attach(number: RawFd) -> Result<(), AttachError> {
    attach(&TABLE, number, Box::new(Never), Policy::persistent()).map(drop)
}

#[test]
fn a_number_that_is_not_open_cannot_be_attached() {
    for number in [-1, RawFd::MIN, 1_000_000, 0x4000_0000, RawFd::MAX] {
        let error = try_to_attach(number).unwrap_err();
        assert_eq!(error.errno(), Errno::BADF, "{error}");
        assert!(TABLE.lookup(number).is_none());
    }
}

#[test]
fn calls_and_detachments_of_absurd_numbers_are_plain_errors() {
    for number in [-1, RawFd::MIN, 0x4000_0000, RawFd::MAX] {
        assert!(detach(&TABLE, number).is_err());
        assert_eq!(call(&TABLE, number, Request::read(1), |_| Err(Errno::BADF)), Err(Errno::BADF).into());
    }
}

#[test]
fn a_second_attachment_names_the_way_to_replace() {
    let server = Server::that(echo);
    let covered = server.covered();
    let error = try_to_attach(covered.as_raw_fd()).unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(error.to_string().contains("HAREPLACERECOVERYFN"), "{error}");
    server.die();
    (&covered).write_all(b"the first function is still there").unwrap();
    assert_eq!(server.recoveries(), 1);
}

#[test]
fn a_second_attachment_that_says_replace_replaces_for_all_clones() {
    let server = Server::that(echo);
    let covered = server.covered();
    let clone = covered.try_clone().unwrap();
    replace(&TABLE, covered.as_raw_fd(), Box::new(Never)).unwrap();
    server.die();
    assert_eq!((&clone).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(server.recoveries(), 0);
}

#[test]
fn there_is_nothing_to_replace_on_an_ordinary_number() {
    let server = Server::that(echo);
    let ordinary = server.connect();
    let error = replace(&TABLE, ordinary.as_raw_fd(), Box::new(Never)).unwrap_err();
    assert_eq!(error.errno(), Errno::BADF, "{error}");
}

#[test]
fn nothing_is_covered_without_a_recovery_function() {
    let server = Server::that(echo);
    let error = cover(server.connect()).attach().unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(error.to_string().contains("recovered_by"), "{error}");
}
