//! Episodes that end without a recovery: everybody gets the error of their own call, and nothing else is lost.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::covered::cover;
use crate::recover::Outcome;
use crate::sync::{Arc, AtomicBool, AtomicU32, Ordering};
use crate::testing::{Never, Server, echo, silence, while_all_sleep};

fn not_yet() -> RecoveryError {
    std::io::Error::from(ErrorKind::ConnectionRefused).into()
}

#[test]
fn the_caller_gets_the_error_of_its_own_call() {
    let server = Server::that(echo);
    let covered = cover(server.connect()).recovered_by(Never).attach().unwrap();
    server.die();
    let error = (&covered).write(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!((&covered).read(&mut [0]).unwrap(), 0, "the end of file that the dead connection gives");
    assert_eq!(covered.take_outcome(), Outcome::GivenUp);
    assert_eq!(covered.report().given_up, 2);
}

#[test]
fn all_who_failed_in_one_episode_take_its_verdict() {
    let server = Server::that(silence);
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let covered = cover(server.connect())
        .recovered_with(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Err(RecoveryError::Final(ErrorKind::ConnectionRefused.into()))
        })
        .attach()
        .unwrap();
    let results = while_all_sleep(16, |_| (&covered).read(&mut [0]).unwrap(), || server.die());
    assert_eq!(results, [0; 16]);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn attempts_are_repeated_until_one_succeeds() {
    let server = Server::that(echo);
    let again = server.again();
    let covered = cover(server.connect())
        .recovered_with(move |attempt| if attempt.count() < 5 { Err(not_yet()) } else { again(attempt) })
        .attach()
        .unwrap();
    server.die();
    (&covered).write_all(b"x").unwrap();
    let report = covered.report();
    assert_eq!((report.attempts, report.recoveries, server.recoveries()), (5, 1, 1));
}

#[test]
fn attempts_end_at_the_deadline_with_the_original_error() {
    let server = Server::that(echo);
    let covered = cover(server.connect())
        .recovered_with(|_| Err(not_yet()))
        .within(Duration::from_millis(30))
        .pausing(Duration::from_millis(1), Duration::from_millis(5))
        .attach()
        .unwrap();
    server.die();
    let called = Instant::now();
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(called.elapsed() >= Duration::from_millis(30), "the deadline counts from the first failure of the call");
    let report = covered.report();
    assert!(report.attempts > 1);
    assert!(report.last_error.unwrap().contains("not recovered yet"));
}

#[test]
fn a_panic_in_the_recovery_function_is_contained() {
    let server = Server::that(echo);
    let covered = cover(server.connect()).recovered_with(|_| panic!("no idea")).attach().unwrap();
    server.die();
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(covered.report().last_error.unwrap().contains("no idea"));
}

#[test]
fn a_description_of_another_kind_is_refused() {
    let server = Server::that(echo);
    let file = || Ok(OwnedFd::from(tempfile::tempfile().unwrap()));
    let covered = cover(server.connect()).recovered_with(move |_: &Attempt<'_>| file()).attach().unwrap();
    server.die();
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(covered.report().last_error.unwrap().contains("returned a File for a Stream"));
}

#[test]
fn the_limits_end_recovery_for_good() {
    let server = Server::that(echo);
    let covered = cover(server.connect()).recovered_with(server.again()).at_most(2).attach().unwrap();
    for _ in 0..2 {
        server.die();
        (&covered).write_all(b"x").unwrap();
    }
    server.die();
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(server.recoveries(), 2);
}

#[test]
fn a_connection_that_dies_again_at_once_ends_at_the_limit_in_a_row() {
    let server = Server::that(drop);
    let covered = cover(server.connect())
        .recovered_with(server.again())
        .pausing(Duration::from_micros(10), Duration::from_micros(100))
        .at_most_in_a_row(3)
        .attach()
        .unwrap();
    server.die();
    let dead = (0..).find(|_| (&covered).read(&mut [0]).is_ok_and(|count| count == 0));
    assert_eq!(dead, Some(0));
    assert_eq!(server.recoveries(), 3);
}

#[test]
fn a_call_is_held_up_no_longer_than_its_deadline_however_many_episodes_succeed() {
    // A balancer that accepts and hangs up at once.
    let server = Server::that(drop);
    let covered = cover(server.connect())
        .recovered_with(server.again())
        .pausing(Duration::from_micros(100), Duration::from_millis(1))
        .within(Duration::from_millis(50))
        .attach()
        .unwrap();
    assert_eq!((&covered).read(&mut [0]).unwrap(), 0);
    assert!(covered.report().recoveries > 1);
    assert_eq!(covered.take_outcome(), Outcome::GivenUp);
}

#[test]
fn a_call_that_is_out_of_time_does_not_decide_for_one_that_is_not() {
    // The server flaps until the first call has no time left, then it is away until the second call has come.
    let (server, flapping) = (Server::that(echo), Server::that(drop));
    let (again, flap) = (server.again(), flapping.again());
    let second_has_come = Arc::new(AtomicBool::new(false));
    let may_recover = Arc::clone(&second_has_come);
    let began = Instant::now();
    let covered = cover(flapping.connect())
        .recovered_with(move |attempt| {
            if may_recover.load(Ordering::Relaxed) {
                again(attempt)
            } else if began.elapsed() < Duration::from_millis(150) {
                flap(attempt)
            } else {
                Err(not_yet())
            }
        })
        .pausing(Duration::from_millis(1), Duration::from_millis(10))
        .within(Duration::from_millis(300))
        .attach()
        .unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| (&covered).read(&mut [0]).unwrap());
        crate::testing::until("the first call has flapped long enough", || {
            began.elapsed() > Duration::from_millis(200)
        });
        let second = scope.spawn(|| (&covered).write(b"x").unwrap());
        assert_eq!(first.join().unwrap(), 0, "its time is up");
        second_has_come.store(true, Ordering::Relaxed);
        assert_eq!(second.join().unwrap(), 1);
    });
}

#[test]
fn a_function_that_says_the_old_one_lives_is_not_believed_because_of_unread_bytes() {
    struct Nothing;
    impl Recover for Nothing {
        fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
            Ok(Recovered::InPlace)
        }
    }
    let (client, mut server) = std::os::unix::net::UnixStream::pair().unwrap();
    server.write_all(b"last words").unwrap();
    let covered = cover(client).recovered_by(Nothing).trying_once().attach().unwrap();
    drop(server);
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(covered.report().last_error.unwrap().contains("still dead"));
}

#[test]
fn a_function_replaced_during_an_episode_has_no_part_in_it() {
    let server = Server::that(echo);
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let covered = cover(server.connect())
        .recovered_with(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Err(not_yet())
        })
        .within(Duration::from_millis(100))
        .attach()
        .unwrap();
    server.die();
    std::thread::scope(|scope| {
        let write = scope.spawn(|| (&covered).write(b"x"));
        crate::testing::until("the old one is at it", || calls.load(Ordering::Relaxed) > 1);
        covered.recover_by(crate::testing::Then(server.again())).unwrap();
        assert!(write.join().unwrap().is_err());
    });
    assert_eq!(server.recoveries(), 0);
    (&covered).write_all(b"x").unwrap();
    assert_eq!(server.recoveries(), 1);
}

#[test]
fn a_suspended_connection_is_an_ordinary_one() {
    let server = Server::that(echo);
    let covered = server.covered();
    covered.suspend();
    server.die();
    assert_eq!((&covered).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    covered.resume();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(server.recoveries(), 1);
}

#[test]
fn connections_that_wait_for_each_other_end_instead_of_hanging() {
    // Each one's recovery uses the other, and both die at once.
    let (left, right) = (Server::that(echo), Server::that(echo));
    let met = Arc::new(std::sync::Barrier::new(2));
    let pair = Arc::new(std::sync::OnceLock::<[crate::Covered; 2]>::new());
    let side = |server: &Server, other: usize| {
        let (again, met, pair) = (server.again(), Arc::clone(&met), Arc::clone(&pair));
        cover(server.connect())
            .recovered_with(move |attempt| {
                met.wait();
                let mut other = &pair.get().unwrap()[other];
                // One of the two finds the circle and sees the other's dead connection; the other then goes on.
                let _ = other.write(b"x");
                again(attempt)
            })
            .attach()
            .unwrap()
    };
    let both = [side(&left, 1), side(&right, 0)];
    let both = pair.get_or_init(|| both);
    left.die();
    right.die();
    std::thread::scope(|scope| {
        for covered in both {
            scope.spawn(move || (&*covered).write_all(b"y").unwrap());
        }
    });
    assert_eq!((left.recoveries(), right.recoveries()), (1, 1));
}

#[test]
fn recoveries_nest_and_end_at_a_bound() {
    // Each connection's recovery writes to the next one, and all are dead.
    let server = Server::that(echo);
    let chain = Arc::new(std::sync::OnceLock::<Vec<crate::Covered>>::new());
    let links = (0..12).map(|index| {
        let (again, chain) = (server.again(), Arc::clone(&chain));
        cover(server.connect())
            .recovered_with(move |attempt| {
                if let Some(mut next) = chain.get().unwrap().get(index + 1) {
                    next.write_all(b"x")?;
                }
                again(attempt)
            })
            .within(Duration::from_millis(20))
            .attach()
            .unwrap()
    });
    let links: Vec<_> = links.collect();
    let links = chain.get_or_init(|| links);
    server.die();
    let _ = (&links[0]).write(b"x");
    let given_up = links.iter().position(|link| link.report().given_up > 0);
    assert!(links[8].report().last_error.unwrap().contains("nested"));
    assert!(given_up.is_some());
}
