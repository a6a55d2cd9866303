//! Eight threads on the numbers of one connection: they write, copy, close and replace numbers, and the server dies.
//!
//! Each thread gives away and takes back a number of its own, and writes on everybody's.

use std::cell::Cell;
use std::fmt;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use shuttle::rand::{Rng, thread_rng};

use super::peer::{
    Server, are_the_same, arrived, assert_at_rest, close_and_give_to, connection_of, duplicate, place_stranger,
    plain_write, put_over, write,
};
use crate::recover::{self, Request, TABLE};
use crate::sync::clock;
use crate::sync::thread::spawn;

const THREADS: usize = 8;
const STEPS: usize = 4;
/// This one stays a member; each thread's own comes after it.
const LASTING: RawFd = 200;
/// Somebody else's descriptor, whose owner knows nothing of libha.
const STRANGER: RawFd = 220;

/// What has come to pass in executions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) deaths: u64,
    pub(crate) recoveries: u64,
    pub(crate) written: u64,
    pub(crate) left: u64,
}

impl std::ops::AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.deaths += other.deaths;
        self.recoveries += other.recoveries;
        self.written += other.written;
        self.left += other.left;
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { deaths, recoveries, written, left } = self;
        write!(out, "{deaths} deaths, {recoveries} recoveries, {written} bytes written, {left} numbers given away")
    }
}

thread_local! {
    // All threads of a model share one thread of the system, hence this.
    static SEEN: Cell<Seen> = const { Cell::new(Seen { deaths: 0, recoveries: 0, written: 0, left: 0 }) };
}

/// What the last execution has seen.
pub(crate) fn take_seen() -> Seen {
    SEEN.take()
}

fn note(change: impl FnOnce(&mut Seen)) {
    let mut seen = SEEN.get();
    change(&mut seen);
    SEEN.set(seen);
}

/// Every write on a member succeeds, every byte arrives once, each death is one recovery at the most, and the stranger
/// gets nothing that was issued again.
pub(crate) fn model() {
    let server = Server::with_client_at(LASTING, |server| Box::new(super::peer::Again(server)));
    let strangers = place_stranger(STRANGER);
    for number in own_numbers() {
        assert_eq!(duplicate(LASTING, number), Ok(number));
    }
    let to_strangers = Arc::new(Mutex::new(0));
    let threads: Vec<_> = own_numbers()
        .map(|own| {
            let (server, to_strangers) = (Arc::clone(&server), Arc::clone(&to_strangers));
            spawn(move || live(own, &server, &to_strangers))
        })
        .collect();
    threads.into_iter().for_each(crate::sync::thread::Thread::join);

    assert!(!clock::has_moved(), "a verdict was missed, and found by looking again");
    assert_eq!(write(LASTING), Ok(1));
    note(|seen| seen.written += 1);
    let members: Vec<_> = own_numbers().filter(|number| TABLE.word(*number).is_covered()).chain([LASTING]).collect();
    assert_at_rest(&members);
    assert!(members.iter().all(|number| are_the_same(*number, LASTING)), "a member was forgotten");
    let report = connection_of(LASTING).report();
    note(|seen| {
        seen.recoveries = report.recoveries;
        assert_eq!(u64::from(server.recoveries()), seen.recoveries);
        assert!(seen.recoveries <= seen.deaths, "{seen}");
        assert_eq!(server.received().into_iter().sum::<usize>() as u64, seen.written, "bytes that have arrived");
    });
    assert_eq!(arrived(&strangers), *to_strangers.lock().expect("nobody panics with it"), "a stranger's bytes");
}

fn own_numbers() -> impl Iterator<Item = RawFd> {
    (LASTING + 1..).take(THREADS)
}

fn live(own: RawFd, server: &Server, to_strangers: &Mutex<usize>) {
    let mut is_member = true;
    for _ in 0..STEPS {
        match thread_rng().gen_range(0..9) {
            0..=2 if is_member => {
                assert_eq!(write(own), Ok(1), "a member's");
                note(|seen| seen.written += 1);
            }
            3 | 4 => write_on_anybodys(to_strangers),
            5 => {
                if server.cut() {
                    note(|seen| seen.deaths += 1);
                }
            }
            6 if is_member => {
                close_and_give_to(own, STRANGER);
                (is_member, _) = (false, note(|seen| seen.left += 1));
            }
            7 if is_member => {
                put_over(STRANGER, own);
                (is_member, _) = (false, note(|seen| seen.left += 1));
            }
            _ => {
                assert_eq!(duplicate(LASTING, own), Ok(own));
                is_member = true;
            }
        }
    }
}

/// Its owner may give the number away meanwhile: then the first issue may meet the stranger, as without libha, but no
/// other one may.
fn write_on_anybodys(to_strangers: &Mutex<usize>) {
    let number = own_numbers().nth(thread_rng().gen_range(0..THREADS)).expect("there are so many");
    let mut issues = 0;
    let mut met_stranger = false;
    let issue = |issued_on| {
        issues += 1;
        let result = plain_write(issued_on);
        met_stranger = result.is_ok() && are_the_same(issued_on, STRANGER);
        assert!(issues == 1 || !met_stranger, "issued again on a stranger's descriptor");
        result
    };
    let result: Result<usize, Errno> = recover::call(&TABLE, number, Request::write(1), issue).into();
    match result {
        Ok(1) if met_stranger => *to_strangers.lock().expect("nobody panics with it") += 1,
        Ok(1) => note(|seen| seen.written += 1),
        // It has left the connection, or is not open for a moment.
        Err(Errno::PIPE | Errno::BADF) => {}
        other => panic!("{other:?}"),
    }
}
