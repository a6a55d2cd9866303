//! However many calls fail on however many numbers: one failure, one recovery.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::covered::{Covered, cover};
use crate::kernel::same_description;
use crate::recover::Outcome;
use crate::sync::{Arc, AtomicU32, Ordering};
use crate::testing::{Server, echo, pour, silence, until, while_all_sleep};

#[test]
fn a_call_that_meets_a_dead_server_is_issued_again_on_the_new_one() {
    let server = Server::that(echo);
    let covered = server.covered();
    server.die();
    (&covered).write_all(b"again").unwrap();
    let mut answer = [0; 5];
    (&covered).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"again");
    assert_eq!(server.recoveries(), 1);
    assert_eq!(covered.take_outcome(), Outcome::Retransmitted);
    assert_eq!(covered.take_outcome(), Outcome::Intact);
    let report = covered.report();
    assert_eq!((report.episodes, report.recoveries, report.attempts, report.generation), (1, 1, 1, 1));
}

#[test]
fn calls_that_succeed_leave_no_trace() {
    let server = Server::that(echo);
    let covered = server.covered();
    (&covered).write_all(b"x").unwrap();
    (&covered).read_exact(&mut [0]).unwrap();
    assert_eq!(covered.take_outcome(), Outcome::Intact);
    assert_eq!(covered.report().episodes, 0);
}

#[test]
fn every_death_is_one_recovery() {
    let server = Server::that(pour);
    let covered = server.covered();
    for deaths in 1..=100 {
        server.die();
        until("the death is noticed", || {
            (&covered).read_exact(&mut [0; 4096]).unwrap();
            server.recoveries() == deaths
        });
    }
    assert_eq!(covered.generation(), 100);
}

fn clones(covered: &Covered, count: usize) -> Vec<Covered> {
    (0..count).map(|_| covered.try_clone().unwrap()).collect()
}

fn all_stand_for_one_description(clones: &[Covered]) -> bool {
    clones.iter().all(|clone| same_description(clone.as_raw_fd(), clones[0].as_raw_fd()) == Some(true))
}

#[test]
fn sixty_four_threads_on_eight_dups_recover_once_over_unix() {
    let server = Server::that(silence);
    let again = {
        let recoveries = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&recoveries);
        // The new server pours, so that everybody who is issued again gets a byte.
        let next = Server::that(pour);
        (recoveries, move |_: &crate::Attempt<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(next.connect().into())
        })
    };
    let covered = cover(server.connect()).recovered_with(again.1).attach().unwrap();
    let dups = clones(&covered, 8);
    let read = |index: usize| (&dups[index % 8]).read(&mut [0; 1]).unwrap();
    let results = while_all_sleep(64, read, || server.die());
    assert_eq!(results, [1; 64]);
    assert_eq!(again.0.load(Ordering::Relaxed), 1);
    assert!(all_stand_for_one_description(&dups));
}

/// Resets a TCP connection: the peer's kernel answers everything with RST.
fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

fn sixty_four_threads_over_tcp(reconnect: impl Fn(&str) -> crate::Reconnect) -> Vec<Covered> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stream = TcpStream::connect(&address).unwrap();
    let (first, _) = listener.accept().unwrap();
    let covered = cover(stream).recovered_by(reconnect(&address)).attach().unwrap();
    let dups = clones(&covered, 8);
    let next = std::thread::spawn(move || {
        let (mut second, _) = listener.accept().unwrap();
        second.write_all(&[1; 64]).unwrap();
        second
    });
    let read = |index: usize| (&dups[index % 8]).read(&mut [0; 1]).unwrap();
    let results = while_all_sleep(64, read, || reset(first));
    assert_eq!(results, [1; 64]);
    assert_eq!(covered.report().recoveries, 1);
    assert_eq!(covered.report().attempts, 1);
    assert!(all_stand_for_one_description(&dups));
    drop(next.join().unwrap());
    dups
}

#[test]
fn sixty_four_threads_on_eight_dups_recover_once_over_tcp_in_place() {
    sixty_four_threads_over_tcp(|address| crate::Reconnect::to([address]));
}

#[test]
fn sixty_four_threads_on_eight_dups_recover_once_over_tcp_staged() {
    sixty_four_threads_over_tcp(|address| crate::Reconnect::to([address]).in_place(false));
}

#[test]
fn a_tcp_connection_is_revived_in_place_again_and_again() {
    const LIVES: u8 = 100;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (die, told_to_die) = std::sync::mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        for life in 0..LIVES {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&[life; 64]).unwrap();
            told_to_die.recv().unwrap();
            reset(stream);
        }
    });
    let covered = cover(TcpStream::connect(&address).unwrap())
        .recovered_by(crate::Reconnect::to([&*address]))
        .spreading(Duration::ZERO)
        .attach()
        .unwrap();
    let dups = clones(&covered, 3);
    for life in 0..LIVES {
        let mut bytes = [0; 64];
        (&dups[usize::from(life) % 3]).read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [life; 64]);
        die.send(()).unwrap();
    }
    server.join().unwrap();
    let report = covered.report();
    assert_eq!((report.recoveries, report.given_up), (u64::from(LIVES) - 1, 0));
    assert!(all_stand_for_one_description(&dups));
}

#[test]
fn nobody_uses_a_connection_before_its_recovery_function_has_returned() {
    let server = Server::that(echo);
    let again = server.again();
    let covered = cover(server.connect())
        .recovered_with(move |attempt| {
            let new = again(attempt)?;
            // The prelude: whoever came in between would find its answer mixed with theirs.
            for _ in 0..50 {
                rustix::io::write(&new, b"hello")?;
                std::thread::yield_now();
                let mut answer = [0; 5];
                rustix::io::read(&new, &mut answer)?;
                assert_eq!(&answer, b"hello");
            }
            Ok(new)
        })
        .attach()
        .unwrap();
    let dups = clones(&covered, 4);
    for _ in 0..20 {
        server.die();
        std::thread::scope(|scope| {
            for dup in &dups {
                scope.spawn(move || (&*dup).write_all(b"x").unwrap());
            }
        });
        covered.recv(&mut [0; 4], rustix::net::RecvFlags::WAITALL).unwrap();
    }
    assert_eq!(covered.report().given_up, 0);
}

#[test]
fn a_function_that_is_replaced_during_an_episode_ends_it_with_the_old_one() {
    let (server, other) = (Server::that(echo), Server::that(echo));
    let again = server.again();
    let replacement = other.again();
    let covered = Arc::new(std::sync::OnceLock::<Covered>::new());
    let inside = Arc::clone(&covered);
    let replacement = std::sync::Mutex::new(Some(replacement));
    let built = cover(server.connect())
        .recovered_with(move |attempt| {
            if let (Some(covered), Some(replacement)) = (inside.get(), replacement.lock().unwrap().take()) {
                covered.recover_by(crate::testing::Then(replacement)).unwrap();
            }
            again(attempt)
        })
        .attach()
        .unwrap();
    let covered = covered.get_or_init(|| built);
    server.die();
    (&*covered).write_all(b"x").unwrap();
    assert_eq!((server.recoveries(), other.recoveries()), (1, 0));
    server.die();
    (&*covered).write_all(b"x").unwrap();
    assert_eq!((server.recoveries(), other.recoveries()), (1, 1));
}
