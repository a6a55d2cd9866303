//! What a signal does to calls that wait: the same as to the plain call.

#![allow(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;

use crate::covered::cover;
use crate::sync::thread::{ThreadId, process_id};
use crate::testing::{Server, echo, is_asleep, pour, silence, until};

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

#[test]
fn a_holder_interrupted_in_a_pause_leaves_the_episode_to_the_next_call() {
    let signal = libc::SIGRTMIN() + 3;
    install(signal, 0);
    let server = Server::that(echo);
    let again = server.again();
    let ready = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_ready = std::sync::Arc::clone(&ready);
    let covered = cover(server.connect())
        .recovered_with(move |attempt| {
            if is_ready.load(std::sync::atomic::Ordering::Relaxed) {
                again(attempt)
            } else {
                Err(std::io::Error::from(ErrorKind::ConnectionRefused).into())
            }
        })
        .pausing(std::time::Duration::from_secs(3600), std::time::Duration::from_secs(3600))
        .without_deadline()
        .attach()
        .unwrap();
    server.die();
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let covered = &covered;
        let holder = scope.spawn(move || {
            tell.send(ThreadId::current().as_raw()).unwrap();
            (&*covered).write(b"x")
        });
        let thread = told.recv().unwrap();
        until("the interruption is noticed", || {
            if is_asleep(thread) {
                send(signal, thread);
            }
            holder.is_finished()
        });
        assert_eq!(holder.join().unwrap().unwrap_err().kind(), ErrorKind::Interrupted);
    });
    ready.store(true, std::sync::atomic::Ordering::Relaxed);
    covered.connection().limits.reset_in_a_row();
    (&covered).write_all(b"x").unwrap();
    assert_eq!(covered.report().recoveries, 1);
}
