//! A slot: the word that the success path reads, and the entry that the failure path loads.
//!
//! # Who may change what
//!
//! 1. The word changes only by compare-exchange from a value with the identity that the writer expects. A failed
//!    exchange means that the number is no longer the writer's.
//! 2. The entry changes only while the word is RESERVED, and only by the thread that reserved it.
//! 3. Hence an entry belongs to identity *i* if the word says *i* after the entry was loaded: to change the entry,
//!    the word must first have left *i*, and identities are not given out twice.

use crate::sync::ArcSwapOption;

use super::word::{Epoch, Identity, Word};
use crate::sync::{Arc, AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct Slot<E> {
    word: AtomicU64,
    entry: ArcSwapOption<E>,
}

/// How an attempt to take a number out of the table ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Unlinked {
    /// It is out.
    Out,
    /// It did not belong to that identity (any more).
    NotOurs,
    /// Its transplant is under way: wait at the gate, then try again.
    Moving,
}

impl<E> Slot<E> {
    pub(super) const fn new() -> Self {
        Self { word: AtomicU64::new(Word::NONE.bits()), entry: ArcSwapOption::const_empty() }
    }

    /// The word as it is now.
    #[inline]
    pub(crate) fn word(&self) -> Word {
        // Acquire [publish]: pairs with Release [publish] in `exchange`. Who sees a covered word sees its entry.
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// The entry, if it belongs to `identity`.
    pub(crate) fn entry(&self, identity: Identity) -> Option<Arc<E>> {
        let entry = self.entry.load_full()?;
        self.word().belongs_to(identity).then_some(entry)
    }

    /// Puts a connection into an empty slot. False: somebody else's is, or is about to be, there.
    #[must_use]
    pub(crate) fn publish(&self, word: Word, entry: Arc<E>) -> bool {
        if !self.exchange(Word::NONE, Word::RESERVED) {
            return false;
        }
        self.entry.store(Some(entry));
        let published = self.exchange(Word::RESERVED, word);
        debug_assert!(published, "a reserved word is nobody else's to change");
        published
    }

    /// Takes the number out of the table if it belongs to `identity`.
    pub(crate) fn unlink(&self, identity: Identity) -> Unlinked {
        let mut word = self.word();
        loop {
            if !word.belongs_to(identity) {
                return Unlinked::NotOurs;
            }
            if word.is_moving() {
                return Unlinked::Moving;
            }
            match self.try_exchange(word, Word::RESERVED) {
                Ok(()) => return self.take(),
                Err(now) => word = now,
            }
        }
    }

    /// Like [`unlink`](Self::unlink), for the thread that is moving the number and cannot.
    pub(crate) fn unlink_moving(&self, identity: Identity) -> Unlinked {
        let word = self.word();
        if word.belongs_to(identity) && word.is_moving() && self.exchange(word, Word::RESERVED) {
            self.take()
        } else {
            Unlinked::NotOurs
        }
    }

    fn take(&self) -> Unlinked {
        let entry = self.entry.swap(None);
        let emptied = self.exchange(Word::RESERVED, Word::NONE);
        debug_assert!(emptied, "a reserved word is nobody else's to change");
        if entry.is_some() { Unlinked::Out } else { Unlinked::NotOurs }
    }

    /// Opens an episode on this member. False: the number is not a member any more.
    pub(crate) fn make_busy(&self, identity: Identity) -> bool {
        self.update(identity, Word::busy)
    }

    /// Begins the transplant of this member. False: the number is not a member any more, leave it alone.
    #[must_use]
    pub(crate) fn begin_move(&self, identity: Identity) -> bool {
        self.update(identity, Word::moving)
    }

    /// Ends the episode on this member.
    pub(crate) fn settle(&self, identity: Identity, epoch: Epoch) -> bool {
        self.update(identity, |word| word.settled(epoch))
    }

    /// Unbounded, and yet ends: others change a member's word only to take it out, after which the loop stops.
    fn update(&self, identity: Identity, change: impl Fn(Word) -> Word) -> bool {
        let mut word = self.word();
        while word.belongs_to(identity) {
            match self.try_exchange(word, change(word)) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    fn exchange(&self, from: Word, to: Word) -> bool {
        self.try_exchange(from, to).is_ok()
    }

    fn try_exchange(&self, from: Word, to: Word) -> Result<(), Word> {
        // Release [publish]: pairs with Acquire [publish] in `word`. Whoever sees the new word also sees the entry
        // stored under RESERVED, and the description that was put under the number before the word was settled.
        // Acquire [publish] for the one who takes over: what the last owner did to the entry comes before.
        // Relaxed when it fails: the word that is there instead only decides what to try next.
        self.word
            .compare_exchange(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Relaxed)
            .map(drop)
            .map_err(Word::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::word::Kind;
    use super::*;

    fn identity(sequence: u32) -> Identity {
        Identity::from_sequence(sequence).unwrap()
    }

    fn live(sequence: u32) -> Word {
        Word::live(identity(sequence), Kind::Stream, Epoch::default())
    }

    #[test]
    fn a_published_entry_is_found_under_its_identity_only() {
        let slot = Slot::new();
        assert!(slot.publish(live(1), Arc::new("first")));
        assert_eq!(slot.entry(identity(1)).as_deref(), Some(&"first"));
        assert_eq!(slot.entry(identity(2)), None);
    }

    #[test]
    fn a_second_publication_changes_nothing() {
        let slot = Slot::new();
        assert!(slot.publish(live(1), Arc::new("first")));
        assert!(!slot.publish(live(2), Arc::new("second")));
        assert_eq!(slot.entry(identity(1)).as_deref(), Some(&"first"));
    }

    #[test]
    fn an_unlinked_number_is_nobodys() {
        let slot = Slot::new();
        assert!(slot.publish(live(1), Arc::new(())));
        assert!(matches!(slot.unlink(identity(2)), Unlinked::NotOurs));
        assert!(matches!(slot.unlink(identity(1)), Unlinked::Out));
        assert_eq!(slot.word(), Word::NONE);
        assert!(!slot.make_busy(identity(1)) && !slot.begin_move(identity(1)));
    }

    #[test]
    fn a_moving_number_stays_until_it_has_settled() {
        let slot = Slot::new();
        assert!(slot.publish(live(1), Arc::new(())));
        assert!(slot.make_busy(identity(1)) && slot.begin_move(identity(1)));
        assert!(matches!(slot.unlink(identity(1)), Unlinked::Moving));
        let after = Epoch::default().after_recovery();
        assert!(slot.settle(identity(1), after));
        assert_eq!(slot.word().epoch(), after);
        assert!(matches!(slot.unlink(identity(1)), Unlinked::Out));
    }

    #[test]
    fn an_episode_of_the_last_owner_does_not_touch_the_next_one() {
        let slot = Slot::new();
        assert!(slot.publish(live(1), Arc::new(())));
        assert!(matches!(slot.unlink(identity(1)), Unlinked::Out));
        assert!(slot.publish(live(2), Arc::new(())));
        assert!(!slot.make_busy(identity(1)) && !slot.settle(identity(1), Epoch::default()));
        assert_eq!(slot.word(), live(2));
    }
}
