//! Who is told what: the recovery function, the observer, the log, and epoll.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::RecvFlags;

use crate::connection::function::Failure;
use crate::connection::{Episode, Verdict};
use crate::covered::cover;
use crate::recover::Outcome;
use crate::sync::Arc;
use crate::testing::{Server, echo, pour};

#[test]
fn the_recovery_function_can_read_what_the_dead_server_had_said() {
    let (client, mut server) = UnixStream::pair().unwrap();
    let next = Server::that(echo);
    let again = next.again();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let covered = cover(client)
        .recovered_with(move |attempt| {
            let mut bytes = vec![0; attempt.unread()];
            rustix::io::read(attempt.old(), &mut bytes)?;
            hearing.lock().unwrap().extend(bytes);
            again(attempt)
        })
        .attach()
        .unwrap();
    server.write_all(b"last words").unwrap();
    drop(server);
    (&covered).write_all(b"x").unwrap();
    assert_eq!(heard.lock().unwrap().as_slice(), b"last words");
}

#[test]
fn an_observer_sees_every_episode_with_its_failure_and_its_end() {
    let episodes = Arc::new(Mutex::new(Vec::<Episode>::new()));
    let seen = Arc::clone(&episodes);
    let server = Server::that(echo);
    let covered = cover(server.connect())
        .recovered_with(server.again())
        .at_most(1)
        .on_verdict(move |episode| seen.lock().unwrap().push(episode.clone()))
        .attach()
        .unwrap();
    let clone = covered.try_clone().unwrap();
    for _ in 0..2 {
        server.die();
        let _ = clone.recv(&mut [0], RecvFlags::DONTWAIT);
        let _ = (&clone).write(b"x");
    }
    let episodes = episodes.lock().unwrap();
    assert_eq!(episodes[0].failure, Failure::EndOfFile);
    assert_eq!((episodes[0].verdict, episodes[0].moved, episodes[0].generation), (Verdict::Recovered, 2, 1));
    assert_eq!((episodes[1].verdict, episodes[1].generation), (Verdict::GivenUp, 1));
    assert!(episodes[1].error.as_ref().unwrap().contains("limit"));
}

#[test]
fn an_observer_that_uses_the_descriptor_or_panics_does_no_harm() {
    let server = Server::that(echo);
    let clone = Arc::new(Mutex::new(None::<crate::Covered>));
    let used = Arc::clone(&clone);
    let covered = cover(server.connect())
        .recovered_with(server.again())
        .on_verdict(move |_| {
            if let Some(mut clone) = used.lock().unwrap().as_ref() {
                clone.write_all(b"y").unwrap();
            }
            panic!("an observer's own fault");
        })
        .attach()
        .unwrap();
    *clone.lock().unwrap() = Some(covered.try_clone().unwrap());
    server.die();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(covered.report().recoveries, 1);
}

#[test]
fn whose_call_was_issued_again_finds_the_recovery_in_the_report() {
    for _ in 0..200 {
        let server = Server::that(echo);
        let covered = server.covered();
        server.die();
        let write_and_ask = || {
            (&covered).write_all(b"x").unwrap();
            // A call that was between its look at the word and the kernel may meet the new connection by itself.
            (covered.take_outcome() == Outcome::Retransmitted).then(|| covered.report().recoveries)
        };
        let seen: Vec<Option<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(write_and_ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().any(Option::is_some));
        assert!(seen.iter().flatten().all(|recoveries| *recoveries == 1));
    }
}

#[test]
fn epoll_reports_the_new_connection_under_the_old_data() {
    let (client, server) = UnixStream::pair().unwrap();
    let next = Server::that(pour);
    let covered = cover(client).recovered_with(next.again()).attach().unwrap();
    let clone = covered.try_clone().unwrap();
    let watcher = epoll::create(CreateFlags::CLOEXEC).unwrap();
    for (descriptor, data) in [(&covered, 17), (&clone, 18)] {
        epoll::add(&watcher, descriptor, EventData::new_u64(data), EventFlags::IN).unwrap();
    }
    drop(server);
    // The write finds the death and recovers; from then on there is always something to read.
    (&covered).write_all(b"x").unwrap();
    let mut found = Vec::new();
    for _ in 0..2 {
        let mut events = Vec::<Event>::with_capacity(8);
        epoll::wait(&watcher, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in events {
            assert!({ event.flags }.contains(EventFlags::IN) && !{ event.flags }.contains(EventFlags::HUP));
            found.push({ event.data }.u64());
        }
    }
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, [17, 18]);
    (&covered).read_exact(&mut [0; 64]).unwrap();
}
