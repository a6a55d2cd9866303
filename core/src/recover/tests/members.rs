//! Numbers that come and go in the middle of an episode.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::{Errno, FdFlags};

use crate::Attempt;
use crate::connection::Membership;
use crate::covered::{Covered, adopt_number, cover};
use crate::kernel::{borrow_number, place_at, replace, same_description};
use crate::recover::step::{Step, at_every_step};
use crate::recover::{Request, TABLE, call};
use crate::testing::{Server, echo, own, swallow, until};

fn write_raw(number: RawFd) -> rustix::io::Result<usize> {
    call(&TABLE, number, Request::write(1), |number| {
        rustix::net::send(borrow_number(number)?, b"x", rustix::net::SendFlags::NOSIGNAL)
    })
    .into()
}

#[test]
fn what_is_opened_under_the_very_number_that_was_closed_stays_there_and_reaches_the_copies() {
    let high = rustix::io::fcntl_dupfd_cloexec(std::fs::File::open("/dev/null").unwrap(), 900).unwrap();
    let number = high.as_raw_fd();
    let again = move |_: &Attempt<'_>| {
        let opened = std::fs::File::options().write(true).open("/dev/null")?;
        assert!(place_at(opened.as_fd(), number, true)?);
        Ok(adopt_number(number))
    };
    let mut covered = cover(high).recovered_with(again).spreading(Duration::ZERO).attach().unwrap();
    let mut copy = covered.try_clone().unwrap();
    drop(adopt_number(number));
    assert_eq!(covered.write(b"x").unwrap(), 1);
    assert_eq!(copy.write(b"x").unwrap(), 1);
    assert_eq!(same_description(number, copy.as_raw_fd()), Some(true));
    assert_eq!((covered.report().attempts, covered.report().recoveries), (1, 1));
}

/// Whether a step is of a kind, whatever number it names.
type Kind = fn(Step) -> bool;

const STEPS: [(&str, Kind); 7] = [
    ("claimed", |step| step == Step::Claimed),
    ("busy", |step| step == Step::Busy),
    ("obtained", |step| step == Step::Obtained),
    ("moving", |step| matches!(step, Step::Moving(_))),
    ("moved", |step| matches!(step, Step::Moved(_))),
    ("settled", |step| step == Step::Settled),
    ("retrying", |step| matches!(step, Step::Retrying(_))),
];

/// Lets `covered` meet a dead server, and does `once` at the first step of this kind.
fn recover_with(server: &Server, covered: &Covered, at: Kind, once: impl FnOnce() + 'static) {
    server.die();
    let once = RefCell::new(Some(once));
    let hook = move |step| {
        if at(step)
            && let Some(once) = once.take()
        {
            once();
        }
    };
    at_every_step(hook, || (&*covered).write_all(b"x").unwrap());
}

#[test]
fn a_clone_closed_by_another_thread_at_any_step_is_left_alone() {
    for (name, at) in STEPS {
        let server = Server::that(echo);
        let covered = server.covered();
        let (clone, other) = (covered.try_clone().unwrap(), covered.try_clone().unwrap());
        let closing = RefCell::new(None);
        let closed = std::rc::Rc::new(closing);
        let kept = std::rc::Rc::clone(&closed);
        // While a number is moving, closing it waits for the verdict: so it must be another thread that closes.
        recover_with(&server, &covered, at, move || {
            *kept.borrow_mut() = Some(std::thread::spawn(move || drop(clone)));
        });
        closed.take().unwrap().join().unwrap();
        assert_eq!(server.recoveries(), 1, "at {name}");
        assert_eq!(same_description(other.as_raw_fd(), covered.as_raw_fd()), Some(true), "at {name}");
        assert_eq!(covered.connection().numbers().len(), 2, "at {name}");
        (&other).write_all(b"y").unwrap();
    }
}

#[test]
fn a_number_closed_and_reused_at_any_quiet_step_is_never_touched() {
    for (name, at) in STEPS.into_iter().filter(|(name, _)| !matches!(*name, "moving" | "moved")) {
        let server = Server::that(echo);
        let covered = server.covered();
        let number = high_clone(&covered);
        let (stranger, mut peer) = UnixStream::pair().unwrap();
        let kept = stranger.try_clone().unwrap();
        recover_with(&server, &covered, at, move || {
            let _ = super::super::detach(&TABLE, number);
            replace_closed(number, stranger);
        });
        assert_eq!(same_description(number, kept.as_raw_fd()), Some(true), "at {name}");
        drop(own(number));
        drop(kept);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"", "at {name}: a byte went to a stranger");
    }
}

/// Puts a stranger under a number that has just been closed. (Another test may be given the number first: then both
/// fail loudly, as `replace` would overwrite it. Numbers are taken from high up to avoid that.)
fn replace_closed(number: RawFd, stranger: impl AsFd) {
    replace(stranger.as_fd(), number, true).unwrap();
}

/// At the first `step` of this kind, closes the member `number` and gives the number to a stranger.
fn reuse_at(step: Step, number: RawFd, stranger: impl AsFd + 'static) -> impl Fn(Step) + 'static {
    let stranger = RefCell::new(Some(stranger));
    move |reached| {
        if reached == step
            && let Some(stranger) = stranger.take()
        {
            let _ = super::super::detach(&TABLE, number);
            replace_closed(number, stranger);
        }
    }
}

/// A clone with a number that no other test is given.
fn high_clone(covered: &Covered) -> RawFd {
    use crate::sync::{AtomicI32, Ordering};
    static NEXT: AtomicI32 = AtomicI32::new(600);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let source = covered.as_raw_fd();
    let copy = || {
        replace(borrow_number(source)?, number, true)?;
        Ok(number)
    };
    super::super::duplicate(&TABLE, source, Membership::Asked, copy, |_| {}).unwrap()
}

#[test]
fn a_call_whose_number_is_reused_while_it_waits_returns_its_own_error() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    let (stranger, mut peer) = UnixStream::pair().unwrap();
    server.die();
    let result = at_every_step(reuse_at(Step::Retrying(number), number, stranger), || write_raw(number));
    assert_eq!(result, Err(Errno::PIPE));
    drop(own(number));
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"");
    assert_eq!(server.recoveries(), 1, "the connection itself was recovered");
}

#[test]
fn a_call_that_waits_on_a_number_that_is_closed_meanwhile_gets_ebadf() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    server.die();
    let waiter = RefCell::new(None);
    let waiting = std::rc::Rc::new(waiter);
    let kept = std::rc::Rc::clone(&waiting);
    let hook = move |step| {
        if step == Step::Busy {
            let (sender, receiver) = std::sync::mpsc::channel();
            let thread = std::thread::spawn(move || {
                let tell = move |step| {
                    if matches!(step, Step::Retrying(_)) {
                        sender.send(()).unwrap();
                    }
                };
                at_every_step(tell, || write_raw(number))
            });
            receiver.recv().unwrap();
            let _ = super::super::detach(&TABLE, number);
            drop(own(number));
            *kept.borrow_mut() = Some(thread);
        }
    };
    at_every_step(hook, || (&covered).write_all(b"x").unwrap());
    assert_eq!(waiting.take().unwrap().join().unwrap(), Err(Errno::BADF));
}

#[test]
fn a_clone_made_at_any_step_stands_for_the_new_description() {
    for (name, at) in STEPS {
        let server = Server::that(echo);
        let covered = std::sync::Arc::new(server.covered());
        let source = std::sync::Arc::clone(&covered);
        let cloning = std::rc::Rc::new(RefCell::new(None));
        let kept = std::rc::Rc::clone(&cloning);
        recover_with(&server, &covered, at, move || {
            *kept.borrow_mut() = Some(std::thread::spawn(move || source.try_clone().unwrap()));
        });
        let clone = cloning.take().unwrap().join().unwrap();
        assert_eq!(same_description(clone.as_raw_fd(), covered.as_raw_fd()), Some(true), "at {name}");
        server.die();
        (&clone).write_all(b"y").unwrap();
        assert_eq!(same_description(clone.as_raw_fd(), covered.as_raw_fd()), Some(true), "after {name}");
        assert_eq!(server.recoveries(), 2);
    }
}

#[test]
fn a_number_reused_while_another_member_is_moved_is_left_alone() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    let (stranger, mut peer) = UnixStream::pair().unwrap();
    let first = covered.as_raw_fd();
    recover_with(
        &server,
        &covered,
        |step| matches!(step, Step::Moving(_)),
        move || {
            assert_ne!(first, number);
            let _ = super::super::detach(&TABLE, number);
            replace_closed(number, stranger);
        },
    );
    rustix::net::send(borrow_number(number).unwrap(), b"still the stranger", rustix::net::SendFlags::NOSIGNAL).unwrap();
    drop(own(number));
    let mut bytes = String::new();
    peer.read_to_string(&mut bytes).unwrap();
    assert_eq!(bytes, "still the stranger");
}

#[test]
fn a_copy_overtaken_by_a_whole_episode_is_made_again() {
    let server = Server::that(echo);
    let covered = server.covered();
    let source = covered.as_raw_fd();
    let mut copies = 0;
    let copy = || {
        let copied = rustix::io::fcntl_dupfd_cloexec(borrow_number(source)?, 3)?.into_raw_fd();
        copies += 1;
        if copies == 1 {
            server.die();
            (&covered).write_all(b"x").unwrap();
        }
        Ok(copied)
    };
    let number = super::super::duplicate(&TABLE, source, Membership::Asked, copy, |number| drop(own(number))).unwrap();
    assert_eq!(copies, 2);
    assert_eq!(same_description(number, source), Some(true));
    let _ = super::super::detach(&TABLE, number);
    drop(own(number));
}

#[test]
fn a_number_reused_between_its_failure_and_the_episode_is_not_taken_for_the_dead_one() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    let (stranger, _peer) = UnixStream::pair().unwrap();
    let mut kept = stranger.try_clone().unwrap();
    server.die();
    let result = at_every_step(reuse_at(Step::Claimed, number, stranger), || write_raw(number));
    assert_eq!(result, Err(Errno::PIPE));
    kept.write_all(b"the stranger's socket was not shut down").unwrap();
    assert_eq!(server.recoveries(), 1, "the other member was recovered");
    drop(own(number));
}

#[test]
fn a_number_reused_before_a_revival_in_place_does_not_spread_the_stranger() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let covered = cover(TcpStream::connect(address).unwrap())
        .recovered_by(crate::Reconnect::to([address.to_string()]))
        .attach()
        .unwrap();
    drop(listener.accept().unwrap());
    let number = high_clone(&covered);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = TcpStream::connect(other.local_addr().unwrap()).unwrap();
    let (mut peer, _) = other.accept().unwrap();
    let read =
        || call(&TABLE, number, Request::read(1), |number| rustix::io::read(borrow_number(number)?, &mut [0; 1]));
    let _ = at_every_step(reuse_at(Step::Claimed, number, stranger), read);
    (&covered).write_all(b"secret").unwrap();
    drop(own(number));
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"");
}

#[test]
fn a_stranger_put_under_a_members_number_behind_our_back_is_not_overwritten() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    let (stranger, _peer) = UnixStream::pair().unwrap();
    let kept = stranger.try_clone().unwrap();
    replace_closed(number, stranger);
    server.die();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(same_description(number, kept.as_raw_fd()), Some(true));
    assert!(TABLE.lookup(number).is_none(), "it is an ordinary number now");
    drop(own(number));
}

#[test]
fn close_on_exec_is_each_numbers_own_and_survives() {
    let server = Server::that(echo);
    let covered = server.covered();
    let clone = covered.try_clone().unwrap();
    rustix::io::fcntl_setfd(&clone, FdFlags::empty()).unwrap();
    rustix::io::fcntl_setfd(&covered, FdFlags::CLOEXEC).unwrap();
    covered.set_nonblocking(true).unwrap();
    server.die();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(rustix::io::fcntl_getfd(&clone).unwrap(), FdFlags::empty());
    assert_eq!(rustix::io::fcntl_getfd(&covered).unwrap(), FdFlags::CLOEXEC);
    assert!(rustix::fs::fcntl_getfl(&clone).unwrap().contains(rustix::fs::OFlags::NONBLOCK));
}

#[test]
fn a_member_closed_behind_our_back_does_not_keep_the_others_from_recovery() {
    let server = Server::that(echo);
    let covered = server.covered();
    let number = high_clone(&covered);
    drop(own(number));
    server.die();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(same_description(number, covered.as_raw_fd()), Some(true), "the free number got the new description");
    let _ = super::super::detach(&TABLE, number);
    drop(own(number));
}

#[test]
fn a_detached_descriptor_is_ordinary_and_its_clones_are_not() {
    let server = Server::that(echo);
    let covered = server.covered();
    let clone = covered.try_clone().unwrap();
    let ordinary = covered.detach();
    server.die();
    assert_eq!(rustix::net::send(&ordinary, b"x", rustix::net::SendFlags::NOSIGNAL), Err(Errno::PIPE));
    (&clone).write_all(b"x").unwrap();
    assert_eq!(same_description(ordinary.into_raw_fd(), clone.as_raw_fd()), Some(false));
}

#[test]
fn threads_that_clone_close_and_fail_at_random_never_lose_the_connection() {
    let server = Server::that(swallow);
    let covered = server.covered();
    let seed = 7;
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let covered = &covered;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed + thread);
                let mut clones = Vec::new();
                for _ in 0..500 {
                    match random.u8(0..4) {
                        0 if clones.len() < 8 => clones.push(covered.try_clone().unwrap()),
                        1 if !clones.is_empty() => drop(clones.swap_remove(random.usize(..clones.len()))),
                        _ => clones.last().unwrap_or(covered).try_clone().unwrap().write_all(b"x").unwrap(),
                    }
                }
            });
        }
        for _ in 0..50 {
            server.die();
            std::thread::yield_now();
        }
    });
    until("only the first number is left", || covered.connection().numbers().len() == 1);
    assert_eq!(u64::from(server.recoveries()), covered.report().recoveries);
    assert_eq!(covered.report().given_up, 0);
}
