//! What was sent to a server and has no answer yet.
//!
//! Nobody has told libha the protocol. So a request is what was sent since bytes were last received, and while one is outstanding a
//! new connection would do harm: the program would wait for an answer that nobody was asked for. Then the program gets the
//! result that it would have got without libha, unless the request may be sent again.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Relaxed throughout: it says nothing of any other memory.
    conversation: AtomicU64,
    /// Used only where bytes may be sent again.
    kept: Mutex<Kept>,
}

/// What the outstanding bytes are.
#[derive(Debug, Default)]
struct Kept {
    /// As long as all of them are within the bound.
    bytes: Vec<u8>,
    replays: u32,
}

/// Where the conversation has come to, in one word.
///
/// ```text
///  63                            3     2       1        0
/// +-------------------------------+-----+---------+------+
/// | bytes sent since bytes were   |ENDED|ENCRYPTED|SPOKEN|
/// | last received                 |     |         |      |
/// +-------------------------------+-----+---------+------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conversation(u64);

/// Something was sent.
const SPOKEN: u64 = 1 << 0;
/// A new connection cannot take the conversation up.
const ENCRYPTED: u64 = 1 << 1;
/// The program was told that the connection is at its end. What it says after that is for nobody else.
const ENDED: u64 = 1 << 2;
const OUTSTANDING_SHIFT: u32 = 3;

impl Conversation {
    const fn outstanding(self) -> usize {
        (self.0 >> OUTSTANDING_SHIFT) as usize
    }

    const fn has_spoken(self) -> bool {
        self.0 & SPOKEN != 0
    }

    const fn is_lost(self) -> bool {
        self.0 & (ENCRYPTED | ENDED) != 0
    }

    /// Whether the connection is between two requests, and a new one could take it up.
    const fn is_idle(self) -> bool {
        self.outstanding() == 0 && !self.is_lost()
    }

    const fn written(self, bytes: usize, begins_a_handshake: bool) -> Self {
        let encrypted = if self.outstanding() == 0 && begins_a_handshake { ENCRYPTED } else { 0 };
        Self((self.0 | SPOKEN | encrypted).saturating_add((bytes as u64) << OUTSTANDING_SHIFT))
    }

    const fn received(self, bytes: usize) -> Self {
        if bytes == 0 { Self(self.0 | ENDED) } else { Self(self.0 & ((1 << OUTSTANDING_SHIFT) - 1)) }
    }
}

impl Kept {
    fn can_be_replayed(&self, conversation: Conversation) -> bool {
        let outstanding = conversation.outstanding();
        let is_whole = outstanding > 0 && self.bytes.len() == outstanding;
        is_whole && self.replays < MOST_REPLAYS && !conversation.is_lost()
    }

    /// Keeps what was written, if all before it is kept. `before` and `after` are the conversation around the write.
    fn keep(&mut self, parts: &[IoSlice<'_>], before: Conversation, after: Conversation, bound: usize) {
        if self.bytes.len() == before.outstanding() && after.outstanding() <= bound && !after.is_lost() {
            parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        }
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
        Self { bound, checking: AtomicBool::new(false), conversation: AtomicU64::new(0), kept: Mutex::default() }
    }

    /// Sends again what has no answer, on a connection that nobody else can use yet.
    pub(super) fn replay(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let again = self.with_kept(|kept| {
            let conversation = self.conversation();
            if conversation.outstanding() == 0 {
                return Some(Vec::new());
            }
            let can_be_replayed = kept.can_be_replayed(conversation);
            kept.replays += u32::from(can_be_replayed);
            can_be_replayed.then(|| kept.bytes.clone())
        });
        // On a new connection the program would wait for an answer that nobody was asked for.
        let again =
            again.ok_or_else(|| io::Error::other("the outstanding request was sent too often, or is too long"))?;
        let mut rest = again.as_slice();
        while !rest.is_empty() {
            let sent = send(socket, rest, SendFlags::NOSIGNAL)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn conversation(&self) -> Conversation {
        Conversation(self.conversation.load(Ordering::Relaxed))
    }

    /// Takes the conversation on, and returns where it was and where it is.
    fn go_on(&self, step: impl Fn(Conversation) -> Conversation) -> (Conversation, Conversation) {
        let update = |word| Some(step(Conversation(word)).0);
        match self.conversation.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(before) | Err(before) => (Conversation(before), step(Conversation(before))),
        }
    }

    /// Lends out what is kept. A fork would leave the lock taken in the child, and a signal handler would wait for it.
    fn with_kept<R>(&self, look: impl FnOnce(&mut Kept) -> R) -> R {
        unforked(|| look(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn can_be_replayed(&self) -> bool {
        self.bound > 0 && self.with_kept(|kept| kept.can_be_replayed(self.conversation()))
    }
}

impl Watch for Journal {
    /// A connection that died between two requests is healed before the next one is sent: the first bytes after a peer's
    /// end of file are accepted by the kernel, and lost.
    fn before_write(&self, number: RawFd) {
        let conversation = self.conversation();
        if conversation.is_idle() && conversation.has_spoken() {
            // Relaxed: read by the engine on this thread.
            self.checking.store(true, Ordering::Relaxed);
            let _ = probe(number);
            self.checking.store(false, Ordering::Relaxed);
        }
    }

    fn wrote(&self, parts: &[IoSlice<'_>]) {
        let bytes = parts.iter().map(|part| part.len()).sum();
        let handshake = begins_a_handshake(parts);
        let written = |conversation: Conversation| conversation.written(bytes, handshake);
        if self.bound == 0 {
            self.go_on(written);
            return;
        }
        self.with_kept(|kept| {
            let (before, after) = self.go_on(written);
            kept.keep(parts, before, after, self.bound);
        });
    }

    fn wrote_unseen(&self, bytes: usize) {
        self.go_on(|conversation| conversation.written(bytes, false));
    }

    fn received(&self, bytes: usize) {
        let received = |conversation: Conversation| conversation.received(bytes);
        if self.bound == 0 || bytes == 0 {
            self.go_on(received);
            return;
        }
        self.with_kept(|kept| {
            self.go_on(received);
            *kept = Kept::default();
        });
    }

    fn permits(&self, operation: Operation) -> bool {
        let is_idle = self.conversation().is_idle();
        match operation {
            Operation::Write => is_idle || self.can_be_replayed(),
            Operation::Read { .. } => self.checking.load(Ordering::Relaxed) && is_idle || self.can_be_replayed(),
            Operation::Sync | Operation::Control | Operation::Passive => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(journal: &Journal, bytes: &[u8]) {
        journal.wrote(&[IoSlice::new(bytes)]);
    }

    #[test]
    fn a_connection_is_idle_between_an_answer_and_the_next_request() {
        let journal = Journal::bounded(0);
        assert!(journal.conversation().is_idle() && !journal.conversation().has_spoken());
        wrote(&journal, b"request");
        assert!(!journal.permits(Operation::Write));
        journal.received(1);
        assert!(journal.permits(Operation::Write) && journal.conversation().has_spoken());
        journal.wrote_unseen(5);
        assert_eq!(journal.conversation().outstanding(), 5);
    }

    #[test]
    fn after_a_handshake_or_an_end_nothing_is_permitted_again() {
        for end in [|journal: &Journal| wrote(journal, b"\x16\x03\x01"), |journal: &Journal| journal.received(0)] {
            let journal = Journal::bounded(100);
            end(&journal);
            journal.received(1);
            assert!(!journal.permits(Operation::Write) && !journal.permits(Operation::Read { at: None }));
        }
    }

    #[test]
    fn a_request_in_parts_can_be_replayed_as_long_as_all_of_it_is_kept() {
        let journal = Journal::bounded(8);
        wrote(&journal, b"half");
        wrote(&journal, b"rest");
        assert!(journal.permits(Operation::Read { at: None }));
        wrote(&journal, b"!");
        assert!(!journal.permits(Operation::Read { at: None }));
        journal.received(3);
        wrote(&journal, b"next");
        assert!(journal.permits(Operation::Read { at: None }));
    }

    #[test]
    fn a_count_that_would_not_fit_stays_large() {
        let all = Conversation(0)
            .written(usize::MAX >> OUTSTANDING_SHIFT, false)
            .written(usize::MAX >> OUTSTANDING_SHIFT, true);
        assert!(!all.is_idle() && all.outstanding() > 1 << 40);
    }
}
