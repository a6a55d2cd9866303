//! Descriptors that are known by their number only, as covers of other code's calls know them.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{self, Errno};
use rustix::net::{RecvFlags, SendFlags};

use super::*;
use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::kernel::{borrow_number, is_open, pin, same_description};
use crate::sync::{Arc, AtomicBool, AtomicU32, Ordering};
use crate::testing::{Server, echo, own};

/// A function of another language: it works on its number, and says whether that is repaired.
struct Foreign<F>(F);

impl<F: Fn(RawFd) -> bool + Send + Sync + 'static> Recover for Foreign<F> {
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        if !(self.0)(attempt.number()) {
            return Err(RecoveryError::Final(std::io::ErrorKind::NotConnected.into()));
        }
        let staged = repair::take_staged(attempt.number(), attempt.old().as_raw_fd());
        Ok(staged.map_or(Recovered::InPlace, Recovered::Staged))
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

fn connected(server: &Server) -> OwnedFd {
    server.connect().into()
}

/// A number that is closed as a program does it, at the end.
struct Number(RawFd);

impl Number {
    fn of(descriptor: OwnedFd) -> Self {
        Self(descriptor.into_raw_fd())
    }

    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        close(self.0);
    }
}

/// A connection to a server, covered by its number, with this recovery function.
fn covered(server: &Server, function: impl Fn(RawFd) -> bool + Send + Sync + 'static) -> Number {
    let number = Number::of(connected(server));
    attach(number.0, Box::new(Foreign(function)), Policy::obedient()).unwrap();
    number
}

fn send(number: RawFd) -> io::Result<usize> {
    let send = |number| rustix::net::send(borrow_number(number)?, b"x", SendFlags::NOSIGNAL);
    capture(number).call(Request::write(1), send).into()
}

fn receive(number: RawFd) -> io::Result<usize> {
    let receive = |number| Ok(rustix::net::recv(borrow_number(number)?, &mut [0_u8; 1], RecvFlags::empty())?.0);
    capture(number).call(Request::read(1), receive).into()
}

fn close(number: RawFd) {
    if !repair::close(number) {
        let _ = detach(number);
        drop(own(number));
    }
}

fn is_answered(number: RawFd) -> bool {
    send(number) == Ok(1) && receive(number) == Ok(1)
}

#[test]
fn what_a_function_stages_is_what_its_own_calls_reach() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let covered = covered(&server, move |number| {
        repair::stage(number, connected(&again)).unwrap();
        assert!(repair::is_under_way_here(number));
        assert_ne!(repair::standing_for(number), number);
        is_answered(number)
    });
    server.die();
    assert!(is_answered(covered.as_raw_fd()));
    assert_eq!(member(covered.as_raw_fd()).unwrap().report().recoveries, 1);
    assert_eq!(repair::standing_for(covered.as_raw_fd()), covered.as_raw_fd());
}

#[test]
fn a_function_that_closes_its_number_gets_it_back_as_the_lowest_free_one() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let covered = covered(&server, move |number| {
        close(number);
        assert_eq!(send(number), Err(Errno::BADF));
        // As if nothing below the number were free.
        let above = rustix::io::fcntl_dupfd_cloexec(connected(&again), number + 1).unwrap();
        fresh(above.into_raw_fd()) == number
    });
    let number = covered.as_raw_fd();
    server.die();
    assert!(is_answered(number));
    assert!(is_open(number));
}

#[test]
fn a_copy_onto_the_number_under_repair_is_staged_and_may_be_closed() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let covered = covered(&server, move |number| {
        let new = connected(&again);
        duplicate_onto(new.as_raw_fd(), number, |_| unreachable!("nothing is put under the number")) == Ok(number)
    });
    server.die();
    assert!(is_answered(covered.as_raw_fd()));
}

#[test]
fn a_number_that_was_really_closed_and_comes_back_in_the_function_is_recovered_in_place() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    // Far above what the other tests of this process are using.
    let covered = Number::of(rustix::io::fcntl_dupfd_cloexec(connected(&server), 700).unwrap());
    let function = Foreign(move |number| {
        let new = connected(&again);
        drop(own(number));
        let made = rustix::io::fcntl_dupfd_cloexec(&new, number).unwrap().into_raw_fd();
        fresh(made) == number
    });
    let number = covered.as_raw_fd();
    attach(number, Box::new(function), Policy::obedient()).unwrap();
    server.die();
    assert!(is_answered(number));
}

#[test]
fn a_function_that_repairs_its_number_past_the_covers_has_repaired_it() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let covered = covered(&server, move |number| {
        let new = connected(&again);
        crate::kernel::replace(std::os::fd::AsFd::as_fd(&new), number, true).is_ok()
    });
    let copy = duplicate(covered.as_raw_fd(), true, |number| Ok(pin(number)?.into_raw_fd()), close).unwrap();
    server.die();
    assert!(is_answered(covered.as_raw_fd()));
    assert!(is_answered(copy));
    close(copy);
}

#[test]
fn a_plain_copy_is_a_member_until_it_is_attached_on_its_own() {
    let server = Server::that(echo);
    let covered = covered(&server, |_| false);
    let copy = duplicate(covered.as_raw_fd(), false, |number| Ok(pin(number)?.into_raw_fd()), close).unwrap();
    let identity = |number| crate::recover::TABLE.word(number).identity();
    assert_eq!(identity(copy), identity(covered.as_raw_fd()));
    attach(copy, Box::new(Foreign(|_| false)), Policy::obedient()).unwrap();
    assert_ne!(identity(copy), identity(covered.as_raw_fd()));
    assert!(attach(copy, Box::new(Foreign(|_| false)), Policy::obedient()).is_err(), "it is nobody's copy any more");
    close(copy);
}

#[test]
fn a_number_that_is_replaced_leaves_its_connection_and_joins_that_of_the_source() {
    let server = Server::that(echo);
    let (source, target) = (covered(&server, |_| false), covered(&server, |_| false));
    let (from, onto) = (source.as_raw_fd(), target.as_raw_fd());
    let dup = |number| crate::kernel::replace(borrow_number(number)?, onto, true).map(|()| onto);
    assert_eq!(duplicate_onto(from, onto, dup), Ok(onto));
    assert_eq!(same_description(from, onto), Some(true));
    let identity = |number| crate::recover::TABLE.word(number).identity();
    assert_eq!(identity(onto), identity(from));
}

#[test]
fn a_copy_of_a_number_that_is_not_open_changes_nothing() {
    let server = Server::that(echo);
    let target = covered(&server, |_| false);
    let dup = |number| borrow_number(number).and(Err(Errno::BADF));
    assert_eq!(duplicate_onto(1 << 19, target.as_raw_fd(), dup), Err(Errno::BADF));
    assert!(capture(target.as_raw_fd()).is_covered());
}

#[test]
fn a_fresh_number_is_nobodys_however_it_was_closed_before() {
    let server = Server::that(echo);
    let covered = covered(&server, |_| false);
    let number = covered.as_raw_fd();
    assert_eq!(fresh(number), number);
    assert!(!capture(number).is_covered());
    assert_eq!(fresh(-1), -1);
}

#[test]
fn a_success_leaves_errno_as_it_was_and_a_recovery_clears_it() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let covered = covered(&server, move |number| repair::stage(number, connected(&again)).is_ok());
    errno::set(libc::EXDEV);
    send(covered.as_raw_fd()).unwrap();
    assert_eq!(errno::get(), libc::EXDEV);
    server.die();
    send(covered.as_raw_fd()).unwrap();
    assert_eq!(errno::get(), 0);
}

/// Counts what it sees, and permits recoveries when told so.
#[derive(Default)]
struct Counting {
    writes: AtomicU32,
    permits: AtomicBool,
}

impl Watch for Counting {
    fn before_write(&self, _: RawFd) {}

    fn wrote(&self, parts: &[IoSlice<'_>]) {
        self.writes.fetch_add(parts.len() as u32, Ordering::Relaxed);
    }

    fn wrote_unseen(&self, _: usize) {}

    fn received(&self, _: usize) {}

    fn permits(&self, _: Operation) -> bool {
        self.permits.load(Ordering::Relaxed)
    }
}

#[test]
fn a_watch_decides_whether_a_death_is_recovered() {
    let server = Arc::new(Server::that(echo));
    let again = Arc::clone(&server);
    let descriptor = Number::of(connected(&server));
    let number = descriptor.as_raw_fd();
    let watch = Arc::new(Counting::default());
    let function = Foreign(move |number| repair::stage(number, connected(&again)).is_ok());
    let policy = Policy::persistent().watched_by(Arc::clone(&watch) as Arc<dyn Watch>);
    attach(number, Box::new(function), policy).unwrap();
    assert!(capture(number).is_watched());
    server.die();
    assert_eq!(send(number), Err(Errno::PIPE));
    watch.permits.store(true, Ordering::Relaxed);
    assert_eq!(send(number), Ok(1));
    assert!(capture(number).is_watched(), "a recovery does not end it");
    member(number).unwrap().watch().unwrap().wrote(&[IoSlice::new(b"x")]);
    assert_eq!(watch.writes.load(Ordering::Relaxed), 1);
}

#[test]
fn an_error_that_kills_no_such_descriptor_is_returned_at_once() {
    let server = Server::that(echo);
    let covered = covered(&server, |_| unreachable!("nothing has died"));
    for harmless in [Errno::AGAIN, Errno::INTR, Errno::NOSPC, Errno::STALE] {
        let result: io::Result<usize> = capture(covered.as_raw_fd()).call(Request::write(1), |_| Err(harmless)).into();
        assert_eq!(result, Err(harmless));
    }
}

#[test]
fn a_glance_says_covered_of_numbers_that_it_cannot_see() {
    for far in [-1, 1 << 20, i32::MAX] {
        assert!(glance(far).is_covered());
        assert!(!glance(far).at(far).is_covered());
    }
    assert!(!glance(900_000).is_covered());
}
