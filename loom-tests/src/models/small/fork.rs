//! Fork, as far as a model can say it: the child is the forking thread alone, and everybody else has stopped somewhere.
//!
//! A model cannot copy a process. Here the other thread stops where the parent's would be left behind, and the forking
//! thread then does what fork's handler does in the child.

use rustix::io::Errno;

use super::models;
use crate::connection::{Admission, change};
use crate::models::peer::{FIRST, Server, assert_at_rest, connection_of, write};
use crate::recover::{TABLE, fork};
use crate::sync::thread::{ThreadId, spawn};
use crate::sync::{Arc, AtomicU32, Ordering};
use crate::table::Epoch;

models! { "fork":
    an_episode_that_was_not_copied_is_given_up_in_the_child within 2,
    an_episode_of_the_forking_thread_goes_on_in_the_child within 2,
}

/// The holder is gone wherever it was: before its claim, after it, or with the members busy.
fn an_episode_that_was_not_copied_is_given_up_in_the_child() {
    let server = Server::with_client();
    server.die();
    let forked = Arc::new(AtomicU32::new(0));
    let left_behind = spawn({
        let forked = Arc::clone(&forked);
        move || {
            let connection = connection_of(FIRST);
            let is_stopped = || forked.load(Ordering::Relaxed) != 0;
            if is_stopped() || connection.gate.claim(Epoch::default(), ThreadId::current()) != Admission::Claimed {
                return;
            }
            if !is_stopped() {
                assert!(TABLE.slot(FIRST).unwrap().make_busy(connection.identity));
            }
        }
    });
    forked.store(1, Ordering::Relaxed);
    left_behind.join();
    fork::adopt(&TABLE, ThreadId::current());
    assert_at_rest(&[FIRST]);
    assert_eq!(write(FIRST), Ok(1));
    assert_eq!(server.recoveries(), 1);
}

/// The forking thread is inside its own recovery function; in the child it has another thread id.
fn an_episode_of_the_forking_thread_goes_on_in_the_child() {
    let server = Server::with_client();
    server.die();
    let forker = spawn(|| {
        let connection = connection_of(FIRST);
        assert_eq!(connection.gate.claim(Epoch::default(), ThreadId::current()), Admission::Claimed);
        drop(change());
        ThreadId::current()
    })
    .join();
    fork::adopt(&TABLE, forker);
    let connection = connection_of(FIRST);
    assert!(connection.gate.is_held_by(ThreadId::current()), "the child's copy of the thread holds it");
    // Inside its own recovery it meets the dead connection.
    assert_eq!(write(FIRST), Err(Errno::PIPE));
    connection.gate.open_at(Epoch::default().after_giving_up(), ThreadId::current());
}
