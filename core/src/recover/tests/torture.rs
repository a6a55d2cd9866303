//! Numbers are closed, reused by strangers and given back in the middle of episodes, at random, for thousands of calls;
//! two checking servers, each a process of its own, look for a byte that is not theirs.

#![allow(unsafe_code)]

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard};

use rustix::net::SendFlags;

use crate::connection::Membership;
use crate::connection::Policy;
use crate::connection::function::RecoveryError;
use crate::kernel::{borrow_number, replace};
use crate::recover::request::InRegister;
use crate::recover::step::at_every_step;
use crate::recover::{Request, TABLE, attach, call, detach, duplicate};
use crate::sync::{AtomicBool, AtomicU32, Ordering};
use crate::testing::{own, until};

const SEED: u64 = 20_26;
const CALLS: u32 = 20_000;
/// No other test is given these.
const NUMBERS: std::ops::Range<RawFd> = 800..808;
/// The byte that the recovered connection carries, and the one that strangers' carry.
const OURS: u8 = b'o';
const STRANGERS: u8 = b's';

/// A process that accepts connections, and writes to `alarm` every byte that is not `expected`.
struct CheckingServer {
    process: libc::pid_t,
}

impl CheckingServer {
    fn start(listener: &UnixListener, expected: u8, alarm: &UnixStream) -> Self {
        // SAFETY: the child runs `check` alone, which makes plain calls and allocates (glibc allows it after fork).
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: passes integers; the child never outlives the test's thread.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                check(listener, expected, alarm);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(0) }
            }
            process => Self { process },
        }
    }

    fn kill(&self) {
        // SAFETY: it is our own child, not yet waited for.
        unsafe { libc::kill(self.process, libc::SIGKILL) };
        // SAFETY: no memory is passed.
        unsafe { libc::waitpid(self.process, std::ptr::null_mut(), 0) };
    }
}

/// Serves all connections at once, without threads: a forked child has but one.
fn check(listener: &UnixListener, expected: u8, mut alarm: &UnixStream) {
    listener.set_nonblocking(true).unwrap();
    let mut clients: Vec<UnixStream> = Vec::new();
    loop {
        while let Ok((client, _)) = listener.accept() {
            client.set_nonblocking(true).unwrap();
            clients.push(client);
        }
        clients.retain_mut(|client| {
            let mut bytes = [0; 4096];
            match client.read(&mut bytes) {
                Ok(0) => false,
                Ok(count) => {
                    let wrong: Vec<u8> = bytes[..count].iter().copied().filter(|byte| *byte != expected).collect();
                    alarm.write_all(&wrong).unwrap();
                    true
                }
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        });
        std::thread::yield_now();
    }
}

/// What stands behind a number at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Member,
    Stranger,
}

const COUNT: usize = (NUMBERS.end - NUMBERS.start) as usize;
static STATES: [Mutex<Behind>; COUNT] = [const { Mutex::new(Behind::Stranger) }; COUNT];

/// Nobody changes what stands behind the number while the guard lives.
fn state(number: RawFd) -> MutexGuard<'static, Behind> {
    STATES[(number - NUMBERS.start) as usize].lock().unwrap()
}

/// Ends the other threads, also when the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap()
}

/// Writes one byte on a member. The number's guard is given back as soon as the call has left the success path: from
/// then on others may close and reuse the number, and the call must cope.
fn write_on(number: RawFd, guard: MutexGuard<'static, Behind>) -> InRegister {
    let guard = Rc::new(std::cell::RefCell::new(Some(guard)));
    let held = Rc::clone(&guard);
    at_every_step(
        move |_| drop(held.take()),
        || {
            call(&TABLE, number, Request::write(1), |number| {
                rustix::net::send(borrow_number(number)?, &[OURS], SendFlags::NOSIGNAL)
            })
        },
    )
}

#[test]
fn no_byte_ever_reaches_a_strangers_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let (our_listener, their_listener) = (UnixListener::bind(&ours).unwrap(), UnixListener::bind(&theirs).unwrap());
    let (mut alarms, alarm) = UnixStream::pair().unwrap();
    let server = std::cell::RefCell::new(CheckingServer::start(&our_listener, OURS, &alarm));
    let stranger_server = CheckingServer::start(&their_listener, STRANGERS, &alarm);

    // The first number is never given away, so that the connection always has a member.
    let anchor = 799;
    replace(connect(&ours).as_fd(), anchor, true).unwrap();
    let again = crate::testing::Then({
        let ours = ours.clone();
        move |_: &crate::Attempt<'_>| -> Result<OwnedFd, RecoveryError> { Ok(UnixStream::connect(&ours)?.into()) }
    });
    let connection = attach(&TABLE, anchor, Box::new(again), Policy::persistent()).unwrap();
    let join = |number: RawFd| {
        let copy = || replace(borrow_number(anchor)?, number, true).map(|()| number);
        duplicate(&TABLE, anchor, Membership::Asked, copy, |_| {}).unwrap();
    };
    for number in NUMBERS {
        join(number);
        *state(number) = Behind::Member;
    }

    let (done, calls, reused) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (calls, done) = (&calls, &done);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(SEED + writer);
                while !done.load(Ordering::Relaxed) {
                    let number = random.i32(NUMBERS);
                    let guard = state(number);
                    if *guard == Behind::Member {
                        let _ = write_on(number, guard);
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let (reused, theirs, done) = (&reused, &theirs, &done);
        scope.spawn(move || {
            let mut random = fastrand::Rng::with_seed(SEED + 100);
            while !done.load(Ordering::Relaxed) {
                let number = random.i32(NUMBERS);
                let mut behind = state(number);
                match *behind {
                    Behind::Member => {
                        let _ = detach(&TABLE, number);
                        if random.bool() {
                            drop(own(number));
                        }
                        replace(connect(theirs).as_fd(), number, true).unwrap();
                        rustix::net::send(borrow_number(number).unwrap(), &[STRANGERS], SendFlags::NOSIGNAL).unwrap();
                        *behind = Behind::Stranger;
                        reused.fetch_add(1, Ordering::Relaxed);
                    }
                    Behind::Stranger => {
                        join(number);
                        *behind = Behind::Member;
                    }
                }
            }
        });
        let _done = Done(done);
        while calls.load(Ordering::Relaxed) < CALLS || connection.report().recoveries < 300 {
            let before = calls.load(Ordering::Relaxed);
            server.borrow().kill();
            server.replace(CheckingServer::start(&our_listener, OURS, &alarm));
            // A connection that the dead server had not accepted yet is accepted by the next one: not every kill is a death.
            until("calls go on", || calls.load(Ordering::Relaxed) > before + 40);
        }
    });

    assert!(reused.load(Ordering::Relaxed) > 100, "too little happened for this test to mean anything");
    for number in NUMBERS.chain([anchor]) {
        let _ = detach(&TABLE, number);
        drop(own(number));
    }
    server.borrow().kill();
    stranger_server.kill();
    drop(alarm);
    let mut wrong = Vec::new();
    alarms.read_to_end(&mut wrong).unwrap();
    assert_eq!(wrong, b"", "these bytes reached a connection that was not theirs");
}
