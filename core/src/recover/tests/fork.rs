//! fork in the middle of an episode: parent and child both go on.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use crate::covered::{Covered, cover};
use crate::recover::step::{Step, at_every_step};
use crate::testing::{Server, echo};

/// Forks; the child runs `body` and ends with 0 if it returned true. Returns the child.
fn fork(body: impl FnOnce() -> bool) -> libc::pid_t {
    // SAFETY: the child only runs `body`, which makes covered calls and allocates (glibc allows both after fork), and
    // ends without running anything of the test harness.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: an alarm ends a child that hangs, so that it never outlives the test.
            unsafe { libc::alarm(10) };
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!fine)) }
        }
        child => child,
    }
}

fn ended_well(child: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: waits for our own child.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// The recovery function of these tests must work in a child, where the test's server threads do not exist: the
/// connection it makes echoes by itself, through a socket pair whose other end was filled beforehand.
fn self_contained() -> Covered {
    let server = Server::that(echo);
    let covered = cover(server.connect())
        .recovered_with(|_| {
            let (client, server) = std::os::unix::net::UnixStream::pair()?;
            // Twice: a child forked after this shares the description, and both read their answer from it.
            (&server).write_all(b"answeranswer")?;
            // Never closed: the other side must not end.
            let _ = std::os::fd::IntoRawFd::into_raw_fd(server);
            Ok(client.into())
        })
        .attach()
        .unwrap();
    server.die();
    covered
}

fn answers(mut covered: &Covered) -> bool {
    let mut answer = [0; 6];
    covered.read_exact(&mut answer).is_ok() && &answer == b"answer"
}

#[test]
fn a_child_forked_by_the_holder_at_any_step_goes_on_and_so_does_the_parent() {
    type Kind = fn(Step) -> bool;
    let steps: [(&str, Kind); 4] = [
        ("claimed", |step| step == Step::Claimed),
        ("busy", |step| step == Step::Busy),
        ("obtained", |step| step == Step::Obtained),
        ("retrying", |step| matches!(step, Step::Retrying(_))),
    ];
    for (name, at) in steps {
        let covered = self_contained();
        let clone = covered.try_clone().unwrap();
        let child = Rc::new(Cell::new(None));
        let forked = Rc::clone(&child);
        let hook = move |step| {
            if at(step) && forked.get().is_none() {
                // In the child the holder goes on as in the parent: fork returns in the middle of the episode.
                // SAFETY: see `fork`; the child ends below.
                forked.set(Some(unsafe { libc::fork() }));
                if forked.get() == Some(0) {
                    // SAFETY: an alarm ends a child that hangs.
                    unsafe { libc::alarm(10) };
                }
            }
        };
        let fine = at_every_step(hook, || answers(&covered));
        let fine = fine && (&clone).write(b"x").is_ok();
        match child.get().unwrap() {
            // SAFETY: ends the child at once.
            0 => unsafe { libc::_exit(i32::from(!fine)) },
            child => {
                assert!(fine, "the parent, forked at {name}");
                assert!(ended_well(child), "the child, forked at {name}");
            }
        }
    }
}

#[test]
fn a_child_forked_by_another_thread_during_an_episode_recovers_by_itself() {
    let covered = self_contained();
    let clone = covered.try_clone().unwrap();
    let hook = move |step| {
        if step == Step::Busy {
            let child = std::thread::scope(|scope| scope.spawn(|| fork(|| answers(&clone))).join().unwrap());
            assert!(ended_well(child), "the child's copy of the episode was given up, and the next call recovered");
        }
    };
    assert!(at_every_step(hook, || answers(&covered)));
    assert_eq!(covered.report().recoveries, 1);
}

#[test]
fn a_child_forked_while_all_is_quiet_has_connections_that_recover() {
    let covered = self_contained();
    assert!(ended_well(fork(|| answers(&covered))));
    assert!(answers(&covered));
}
