//! What was sent to a server and has no answer yet.
//!
//! Nobody has told libha the protocol. So a request is what was sent since bytes were last received, and while one is outstanding a
//! new connection would do harm: the program would wait for an answer that nobody was asked for. Then the program gets the
//! result that it would have got without libha, unless the request may be sent again.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ha_core::number::{Operation, Watch, unforked};
use ha_core::rustix::net::{SendFlags, send};

use crate::ready::probe;

/// How often the same request is sent again before it is taken for what kills the server.
const MOST_REPLAYS: u32 = 3;

#[derive(Debug)]
pub(super) struct Journal {
    /// How many bytes may be sent again; none if 0.
    bound: usize,
    /// Whether a write is looking at the connection before it begins.
    checking: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether anything was sent at all.
    has_spoken: bool,
    /// The conversation is encrypted: a new connection cannot take it up.
    is_encrypted: bool,
    /// The program was told that the connection is at its end. What it says after that is for nobody else.
    has_ended: bool,
    /// Bytes sent since bytes were last received.
    outstanding: usize,
    /// The outstanding bytes, as long as all of them are within the bound.
    kept: Vec<u8>,
    replays: u32,
}

impl State {
    fn is_lost(&self) -> bool {
        self.is_encrypted || self.has_ended
    }

    /// Whether the connection is between two requests, and a new one could take it up.
    fn is_idle(&self) -> bool {
        self.outstanding == 0 && !self.is_lost()
    }

    fn can_be_replayed(&self) -> bool {
        let is_kept = self.outstanding > 0 && self.kept.len() == self.outstanding;
        is_kept && self.replays < MOST_REPLAYS && !self.is_lost()
    }

    fn note_written(&mut self, parts: &[IoSlice<'_>], bound: usize) {
        self.has_spoken = true;
        self.is_encrypted |= self.outstanding == 0 && begins_a_handshake(parts);
        for part in parts {
            let was_whole = self.kept.len() == self.outstanding;
            self.outstanding += part.len();
            if was_whole && self.outstanding <= bound && !self.is_encrypted {
                self.kept.extend_from_slice(part);
            }
        }
    }

    fn note_received(&mut self, bytes: usize) {
        if bytes == 0 {
            self.has_ended = true;
            return;
        }
        self.outstanding = 0;
        self.kept.clear();
        self.replays = 0;
    }
}

/// Whether this is a TLS record of type "handshake", of any version (RFC 8446, section 5.1). A conversation may turn to TLS in its
/// course (STARTTLS), so every request is looked at.
fn begins_a_handshake(parts: &[IoSlice<'_>]) -> bool {
    let mut bytes = parts.iter().flat_map(|part| part.iter());
    bytes.next() == Some(&0x16) && bytes.next() == Some(&0x03)
}

impl Journal {
    pub(super) fn bounded(bound: usize) -> Self {
        Self { bound, checking: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Sends again what has no answer, on a connection that nobody else can use yet.
    pub(super) fn replay(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let kept = self.with(|state| {
            let can_be_replayed = state.can_be_replayed();
            state.replays += u32::from(can_be_replayed);
            (can_be_replayed || state.outstanding == 0).then(|| state.kept.clone())
        });
        // On a new connection the program would wait for an answer that nobody was asked for.
        let kept =
            kept.ok_or_else(|| io::Error::other("the outstanding request was sent too often, or is too long"))?;
        let mut rest = kept.as_slice();
        while !rest.is_empty() {
            let sent = send(socket, rest, SendFlags::NOSIGNAL)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Lends the state out. A fork would leave the lock taken in the child, and a signal handler would wait for it.
    fn with<R>(&self, look: impl FnOnce(&mut State) -> R) -> R {
        unforked(|| look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Watch for Journal {
    /// A connection that died between two requests is healed before the next one is sent: the first bytes after a peer's
    /// end of file are accepted by the kernel, and lost.
    fn before_write(&self, number: RawFd) {
        let is_idle = self.with(|state| state.is_idle() && state.has_spoken);
        if is_idle {
            // Relaxed: read by the engine on this thread.
            self.checking.store(true, Ordering::Relaxed);
            let _ = probe(number);
            self.checking.store(false, Ordering::Relaxed);
        }
    }

    fn wrote(&self, parts: &[IoSlice<'_>]) {
        self.with(|state| state.note_written(parts, self.bound));
    }

    fn wrote_unseen(&self, bytes: usize) {
        self.with(|state| {
            state.has_spoken = true;
            state.outstanding += bytes;
        });
    }

    fn received(&self, bytes: usize) {
        self.with(|state| state.note_received(bytes));
    }

    fn permits(&self, operation: Operation) -> bool {
        let is_checking = self.checking.load(Ordering::Relaxed);
        self.with(|state| match operation {
            Operation::Write => state.is_idle() || state.can_be_replayed(),
            Operation::Read { .. } => is_checking && state.is_idle() || state.can_be_replayed(),
            Operation::Sync | Operation::Control | Operation::Passive => false,
        })
    }
}
