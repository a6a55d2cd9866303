//! The engine: failing calls, recoveries, and what others do to the numbers meanwhile.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use super::models;
use crate::connection::Admission;
use crate::connection::function::{Attempt, RecoveryError};
use crate::kernel::errno;
use crate::models::peer::{
    Again, FIRST, SECOND, STRANGER, Server, Then, are_the_same, arrived, assert_at_rest, close_and_give_to,
    connection_of, duplicate, place, place_stranger, plain_write, put_over, write,
};
use crate::recover::held::Holding;
use crate::recover::waiting::{Patience, Verdict, for_verdict};
use crate::recover::{self, Request, TABLE};
use crate::sync::thread::{ThreadId, spawn};
use crate::sync::{clock, step};
use crate::table::Epoch;

models! { "recover":
    of_two_failures_in_one_generation_one_recovers within 1,
    who_passes_the_gate_finds_every_member_settled within 2,
    a_failure_of_an_old_generation_is_only_retried within 1,
    dups_recover_once_and_all_are_repaired within 1,
    a_dup_made_during_an_episode_is_repaired_too within 1,
    a_close_races_a_failing_call_and_the_number_goes_to_a_stranger within 2,
    a_dup_races_a_dup2_over_its_source within 2,
    a_detach_during_an_episode_leaves_an_ordinary_number within 2,
    a_dup2_over_a_member_during_an_episode_is_left_alone within 2,
    a_function_replaced_during_an_episode_lives_until_it_has_returned within 2,
    nobody_uses_a_half_recovered_connection within 1,
    a_panic_of_the_function_wakes_who_waits within 1,
    a_given_up_episode_is_everyones_answer within 1,
    the_episode_of_a_thread_that_is_gone_is_ended_by_who_waits within 2,
    of_two_threads_that_would_wait_for_each_other_one_finds_the_circle within 2,
    a_connection_that_dies_again_at_once_ends_at_the_limit_in_a_row within 1,
    a_recovered_call_leaves_no_errno within 1,
}

fn never(_: &Attempt<'_>) -> Result<std::os::fd::OwnedFd, RecoveryError> {
    Err(RecoveryError::Final(ErrorKind::NotConnected.into()))
}

/// Both calls succeed over the one new connection.
fn of_two_failures_in_one_generation_one_recovers() {
    let server = Server::with_client();
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    assert_eq!(write(FIRST), Ok(1));
    other.join();
    assert_eq!((server.recoveries(), server.received()), (1, vec![0, 2]));
    assert_at_rest(&[FIRST]);
    assert!(!clock::has_moved(), "a verdict was missed, and found by looking again");
}

/// Words first, gate second: else a call that has its verdict would find its number still taken.
fn who_passes_the_gate_finds_every_member_settled() {
    let server = Server::with_client();
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    let connection = connection_of(FIRST);
    let (epoch, claimed) = connection.gate.look();
    if epoch != Epoch::default() {
        assert!(!claimed);
        assert_at_rest(&[FIRST]);
    }
    other.join();
}

/// The server dies while one call is under way and before the next: each death is recovered once.
fn a_failure_of_an_old_generation_is_only_retried() {
    let server = Server::with_client();
    let other = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    step();
    server.die();
    assert_eq!(write(FIRST), Ok(1));
    other.join();
    assert_eq!(server.recoveries(), 1);
    assert_at_rest(&[FIRST]);
}

/// One call on each of two numbers that share the connection.
fn dups_recover_once_and_all_are_repaired() {
    let server = Server::with_client();
    place(SECOND, rustix::io::fcntl_dupfd_cloexec(crate::kernel::borrow_number(FIRST).unwrap(), 0).unwrap());
    assert_eq!(duplicate(FIRST, SECOND), Ok(SECOND));
    server.die();
    let other = spawn(|| assert_eq!(write(SECOND), Ok(1)));
    assert_eq!(write(FIRST), Ok(1));
    other.join();
    assert_eq!((server.recoveries(), server.received()), (1, vec![0, 2]));
    assert!(are_the_same(FIRST, SECOND));
    assert_at_rest(&[FIRST, SECOND]);
}

/// The copy may be of the dead description or of the new one; in the end it must be of the new one.
fn a_dup_made_during_an_episode_is_repaired_too() {
    let server = Server::with_client();
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    assert_eq!(duplicate(FIRST, SECOND), Ok(SECOND));
    other.join();
    assert_eq!(write(SECOND), Ok(1));
    assert_eq!((server.recoveries(), server.received()), (1, vec![0, 2]));
    assert!(are_the_same(FIRST, SECOND));
    assert_at_rest(&[FIRST, SECOND]);
}

/// The call may fail or succeed, but what has the number now is not its business.
fn a_close_races_a_failing_call_and_the_number_goes_to_a_stranger() {
    let server = Server::with_client();
    let far = place_stranger(STRANGER);
    server.die();
    let caller = spawn(|| {
        let mut issues = 0;
        let issue = |number| {
            issues += 1;
            step();
            assert!(issues == 1 || !are_the_same(number, STRANGER), "issued again on a stranger's number");
            plain_write(number)
        };
        recover::call(&TABLE, FIRST, Request::write(1), issue).into()
    });
    close_and_give_to(FIRST, STRANGER);
    let result: rustix::io::Result<usize> = caller.join();
    assert!(are_the_same(FIRST, STRANGER), "a stranger's description was replaced");
    assert!(TABLE.lookup(FIRST).is_none());
    assert!(matches!(result, Ok(1) | Err(Errno::PIPE | Errno::BADF)), "{result:?}");
    let there = arrived(&far) + server.received().iter().sum::<usize>();
    assert_eq!(there, usize::from(result.is_ok()), "{result:?}");
}

/// The source leaves for a stranger's description; the copy is of the one or of the other, and the table knows which.
fn a_dup_races_a_dup2_over_its_source() {
    let server = Server::with_client();
    let _far = place_stranger(STRANGER);
    let copier = spawn(|| assert_eq!(duplicate(FIRST, SECOND), Ok(SECOND)));
    put_over(STRANGER, FIRST);
    copier.join();
    let is_covered = TABLE.lookup(SECOND).is_some();
    assert!(!is_covered || !are_the_same(SECOND, STRANGER), "a stranger's description is covered");
    assert_eq!(server.recoveries(), 0);
}

/// Whatever the episode does, the number is nobody's business afterwards.
fn a_detach_during_an_episode_leaves_an_ordinary_number() {
    let server = Server::with_client();
    server.die();
    let caller = spawn(|| write(FIRST));
    assert!(recover::detach(&TABLE, FIRST).is_ok());
    assert!(matches!(caller.join(), Ok(1) | Err(Errno::PIPE)));
    assert!(TABLE.lookup(FIRST).is_none());
    assert!(server.recoveries() <= 1);
}

/// The number leaves its connection for another description, which no transplant may touch.
fn a_dup2_over_a_member_during_an_episode_is_left_alone() {
    let server = Server::with_client();
    assert_eq!(duplicate(FIRST, SECOND), Ok(SECOND));
    let far = place_stranger(STRANGER);
    server.die();
    let caller = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    put_over(STRANGER, SECOND);
    caller.join();
    assert!(are_the_same(SECOND, STRANGER));
    assert_eq!((arrived(&far), server.recoveries()), (0, 1));
    assert_at_rest(&[FIRST]);
}

/// The old function may be running when it is replaced; it must be whole until it has returned, and gone at the end.
fn a_function_replaced_during_an_episode_lives_until_it_has_returned() {
    struct Canary(Arc<AtomicBool>);
    impl Drop for Canary {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let gone = Arc::new(AtomicBool::new(false));
    let server = Server::with_client_at(FIRST, |server| {
        let canary = Canary(Arc::clone(&gone));
        Box::new(Then(move |_: &Attempt<'_>| {
            assert!(!canary.0.load(Ordering::Relaxed));
            step();
            assert!(!canary.0.load(Ordering::Relaxed), "freed while it runs");
            server.recovers();
            Ok(server.connect())
        }))
    });
    server.die();
    let caller = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    step();
    assert!(!gone.load(Ordering::Relaxed), "freed while it is installed");
    assert!(recover::replace(&TABLE, FIRST, Box::new(Again(Arc::clone(&server)))).is_ok());
    caller.join();
    assert!(gone.load(Ordering::Relaxed), "the old function is still there");
    assert_eq!(server.recoveries(), 1);
}

/// The function logs in on the new connection; nobody's bytes may come before that.
fn nobody_uses_a_half_recovered_connection() {
    let server = Server::with_client_at(FIRST, |server| {
        Box::new(Then(move |_: &Attempt<'_>| {
            let staged = server.connect();
            step();
            assert_eq!(rustix::io::write(&staged, b"login"), Ok(5));
            step();
            assert_eq!(server.received()[1], 5, "somebody was faster than the login");
            Ok(staged)
        }))
    });
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Ok(1)));
    assert_eq!(write(FIRST), Ok(1));
    other.join();
    assert_eq!(server.received(), [0, 2]);
}

/// Given up, and contained: each call gets its own error, and the next failure may try again.
fn a_panic_of_the_function_wakes_who_waits() {
    let server = Server::with_client_at(FIRST, |_| {
        Box::new(Then(|_: &Attempt<'_>| std::panic::resume_unwind(Box::new("no idea"))))
    });
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Err(Errno::PIPE)));
    assert_eq!(write(FIRST), Err(Errno::PIPE));
    other.join();
    assert_at_rest(&[FIRST]);
    assert!(!clock::has_moved());
}

/// Two calls fail in one generation, one episode is given up: one attempt unless the second call came after it.
fn a_given_up_episode_is_everyones_answer() {
    let server = Server::with_client_at(FIRST, |_| Box::new(Then(never)));
    server.die();
    let other = spawn(|| assert_eq!(write(FIRST), Err(Errno::PIPE)));
    assert_eq!(write(FIRST), Err(Errno::PIPE));
    other.join();
    assert_at_rest(&[FIRST]);
    assert!(!clock::has_moved());
}

/// A thread ends inside a recovery function without unwinding; who waits finds that out, and the next failure recovers.
fn the_episode_of_a_thread_that_is_gone_is_ended_by_who_waits() {
    let server = Server::with_client();
    server.die();
    let holder = spawn(|| {
        let connection = connection_of(FIRST);
        if connection.gate.claim(Epoch::default(), ThreadId::current()) == Admission::Claimed {
            assert!(TABLE.slot(FIRST).unwrap().make_busy(connection.identity));
        }
    });
    let first = write(FIRST);
    holder.join();
    assert!(matches!(first, Ok(1) | Err(Errno::PIPE)), "{first:?}");
    // Whether the gate was left closed before or after the call.
    let second = write(FIRST);
    assert!(second == Ok(1) || write(FIRST) == Ok(1));
    assert_at_rest(&[FIRST]);
}

/// Each holds one gate and is about to wait at the other's.
fn of_two_threads_that_would_wait_for_each_other_one_finds_the_circle() {
    let _servers = [FIRST, SECOND].map(|number| Server::with_client_at(number, |server| Box::new(Again(server))));
    let wait = |mine, theirs| {
        let (mine, theirs) = (connection_of(mine), connection_of(theirs));
        assert_eq!(mine.gate.claim(Epoch::default(), ThreadId::current()), Admission::Claimed);
        let holding = Holding::begin(&mine, FIRST).expect("it is the first");
        let verdict = for_verdict(&TABLE, &theirs, &Patience::ENDLESS);
        drop(holding);
        mine.gate.open_at(Epoch::default().after_giving_up(), ThreadId::current());
        verdict
    };
    let other = spawn(move || wait(SECOND, FIRST));
    let verdicts = [wait(FIRST, SECOND), other.join()];
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Come | Verdict::Circular)), "{verdicts:?}");
    assert!(!clock::has_moved(), "nobody found the circle");
}

/// The count in a row is begun anew by a call that goes through, and by nothing else.
fn a_connection_that_dies_again_at_once_ends_at_the_limit_in_a_row() {
    let server = Server::with_client_at(FIRST, |server| {
        Box::new(Then(move |_: &Attempt<'_>| {
            server.recovers();
            let near = server.connect();
            server.die();
            Ok(near)
        }))
    });
    connection_of(FIRST).limits.set_in_a_row(2);
    server.die();
    assert_eq!(write(FIRST), Err(Errno::PIPE));
    assert_eq!(server.recoveries(), 2);
}

/// As if the call had succeeded at once; what it had left when it failed is gone.
fn a_recovered_call_leaves_no_errno() {
    let server = Server::with_client();
    server.die();
    let as_libc_does = |number| plain_write(number).inspect_err(|error| errno::set(error.raw_os_error()));
    errno::set(0);
    let result: rustix::io::Result<usize> = recover::call(&TABLE, FIRST, Request::write(1), as_libc_does).into();
    assert_eq!((result, errno::get()), (Ok(1), 0));
}
