//! What a signal does to calls that wait: the same as to the plain call.

#![allow(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use crate::covered::{Covered, cover};
use crate::kernel::signals::raises_sigpipe;
use crate::recover::step::{Step, at_every_step};
use crate::sync::thread::{ThreadId, process_id};
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::testing::{Never, Server, echo, is_asleep, pour, silence, until};

#[test]
fn a_write_on_a_number_that_has_left_the_table_raises_no_sigpipe() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut covered = cover(near).recovered_by(Never).attach().unwrap();
    crate::number::detach(covered.as_raw_fd()).unwrap();
    drop(far);
    assert!(!raises_sigpipe(|| assert_eq!(covered.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe)));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(raises_sigpipe(|| assert!(rustix::io::write(&writer, b"x").is_err())));
}

extern "C" fn nothing(_: libc::c_int) {}

fn install(signal: libc::c_int, flags: libc::c_int) {
    // SAFETY: all zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    action.sa_flags = flags;
    // SAFETY: the handler does nothing, which is allowed in a handler.
    assert_eq!(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }, 0);
}

fn send(signal: libc::c_int, thread: u32) {
    let process = process_id().cast_signed();
    // SAFETY: no memory is passed; the thread is one of ours.
    assert_eq!(unsafe { libc::tgkill(process, thread.cast_signed(), signal) }, 0);
}

/// A waiter at the gate gets `signal` while another thread recovers; returns what its read returned.
fn waiter_that_gets(signal: libc::c_int) -> std::io::Result<usize> {
    let server = Server::that(silence);
    let next = Server::that(pour);
    let again = next.again();
    let (go, wait_for_go) = mpsc::channel::<()>();
    let (inside, wait_for_inside) = mpsc::channel::<()>();
    let wait_for_go = std::sync::Mutex::new(wait_for_go);
    let covered = cover(server.connect())
        .recovered_with(move |attempt| {
            inside.send(()).unwrap();
            wait_for_go.lock().unwrap().recv().unwrap();
            again(attempt)
        })
        .attach()
        .unwrap();
    server.die();
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| (&covered).read(&mut [0]));
        wait_for_inside.recv().unwrap();
        let (tell, told) = mpsc::channel();
        let covered = &covered;
        let waiter = scope.spawn(move || {
            tell.send(ThreadId::current().as_raw()).unwrap();
            (&*covered).read(&mut [0])
        });
        let thread = told.recv().unwrap();
        until("the waiter sleeps", || is_asleep(thread));
        for _ in 0..20 {
            send(signal, thread);
            until("the waiter sleeps again or has ended", || is_asleep(thread) || waiter.is_finished());
            if waiter.is_finished() {
                break;
            }
        }
        go.send(()).unwrap();
        assert_eq!(holder.join().unwrap().unwrap(), 1);
        waiter.join().unwrap()
    })
}

#[test]
fn a_handler_with_sa_restart_does_not_interrupt_a_waiter() {
    let signal = libc::SIGRTMIN() + 1;
    install(signal, libc::SA_RESTART);
    assert_eq!(waiter_that_gets(signal).unwrap(), 1);
}

#[test]
fn a_handler_without_sa_restart_interrupts_a_waiter_as_it_would_the_read() {
    let signal = libc::SIGRTMIN() + 2;
    install(signal, 0);
    assert_eq!(waiter_that_gets(signal).unwrap_err().kind(), ErrorKind::Interrupted);
}

/// What a recovery function tells, and is told.
#[derive(Default)]
struct Switch {
    /// It has been called.
    called: AtomicBool,
    /// It may succeed.
    ready: AtomicBool,
}

/// A covered connection to a dead server, whose recovery function succeeds from the moment it may, and pauses for ever
/// before.
fn waiting_for(switch: &Arc<Switch>) -> Covered {
    let server = Server::that(echo);
    let (again, switch) = (server.again(), Arc::clone(switch));
    let covered = cover(server.connect())
        .recovered_with(move |attempt| {
            switch.called.store(true, Ordering::Relaxed);
            if switch.ready.load(Ordering::Relaxed) {
                again(attempt)
            } else {
                Err(std::io::Error::from(ErrorKind::ConnectionRefused).into())
            }
        })
        .spreading(Duration::ZERO)
        .pausing(Duration::from_secs(1_000_000), Duration::from_secs(1_000_000))
        .without_deadline()
        .attach()
        .unwrap();
    server.die();
    covered
}

/// Writes in a thread of its own, which gets `signal` once it sleeps and `may` says so, until its call has ended.
fn write_until_interrupted(covered: &Covered, signal: libc::c_int, may: impl Fn() -> bool) -> std::io::Error {
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let holder = scope.spawn(move || {
            tell.send(ThreadId::current().as_raw()).unwrap();
            (&*covered).write(b"x")
        });
        let thread = told.recv().unwrap();
        until("the interruption is noticed", || {
            if may() && is_asleep(thread) {
                send(signal, thread);
            }
            holder.is_finished()
        });
        holder.join().unwrap().unwrap_err()
    })
}

#[test]
fn a_holder_interrupted_in_a_pause_leaves_the_episode_to_the_next_call() {
    let signal = libc::SIGRTMIN() + 3;
    install(signal, 0);
    let switch = Arc::new(Switch::default());
    let covered = waiting_for(&switch);
    for _ in 0..5 {
        assert_eq!(write_until_interrupted(&covered, signal, || true).kind(), ErrorKind::Interrupted);
    }
    switch.ready.store(true, Ordering::Relaxed);
    (&covered).write_all(b"x").unwrap();
    assert_eq!((covered.report().recoveries, covered.report().episodes), (1, 1));
}

#[test]
fn a_call_that_waits_for_an_episode_that_is_abandoned_recovers_by_itself() {
    let signal = libc::SIGRTMIN() + 4;
    install(signal, 0);
    let switch = Arc::new(Switch::default());
    let covered = waiting_for(&switch);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            until("the first attempt has been made", || switch.called.load(Ordering::Relaxed));
            let switch = Arc::clone(&switch);
            let tell = move |step| {
                if matches!(step, Step::Retrying(_)) {
                    switch.ready.store(true, Ordering::Relaxed);
                }
            };
            at_every_step(tell, || (&covered).write(b"y"))
        });
        let error = write_until_interrupted(&covered, signal, || switch.ready.load(Ordering::Relaxed));
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(waiter.join().unwrap().unwrap(), 1);
    });
}
