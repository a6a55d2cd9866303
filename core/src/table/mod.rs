//! The table: from a number to its word and its entry, without a lock.
//!
//! Numbers below 2^20 (descriptors) and from 0x4000_0000 on (connection ids of the message passing) are found in a
//! [`directory`], by one load (the first 1024) or two dependent ones. Whatever lies beyond both is sparse and found in a
//! map, off the fast path; such numbers exist only where somebody has raised `fs.nr_open`.

mod directory;
mod slot;
mod sparse;
mod target;
mod word;

use std::os::fd::RawFd;
use std::ptr;

use dashmap::DashMap;
use smallvec::SmallVec;

use crate::sync::{Arc, AtomicU32, OnceLock, Ordering, Weak};
use directory::Directory;
use sparse::Sparse;

pub(crate) use slot::{Slot, Unlinked};
pub use target::Target;
pub use word::Kind;
pub(crate) use word::{Epoch, Identity, Word};

/// The first connection id that is not a file descriptor (`_NTO_SIDE_CHANNEL`).
const SIDE_CHANNEL: u32 = 0x4000_0000;

/// Says that the branch it is called in is not the straight way: what is taken must not jump.
#[cold]
#[inline]
pub const fn rarely() {}

#[derive(Debug)]
pub(crate) struct Table<E> {
    descriptors: Directory<E>,
    side_channels: Directory<E>,
    sparse: Sparse<E>,
    targets: OnceLock<DashMap<Target, SmallVec<[Weak<E>; 2]>>>,
    identities: AtomicU32,
}

/// Why there is no slot for a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// A negative number is no number.
    Negative,
    /// There is no memory for it; the table is as it was.
    NoMemory,
}

/// Where a number lives.
enum Place {
    Descriptor(usize),
    SideChannel(usize),
    Sparse(u32),
}

impl Place {
    #[inline]
    fn of(number: u32) -> Self {
        let reach = Directory::<()>::REACH as u32;
        if number < reach {
            Self::Descriptor(number as usize)
        } else if number.wrapping_sub(SIDE_CHANNEL) < reach {
            Self::SideChannel((number - SIDE_CHANNEL) as usize)
        } else {
            Self::Sparse(number)
        }
    }
}

/// The sequence number of the first connection.
const FIRST_IDENTITY: u32 = 1;

impl<E> Table<E> {
    pub(crate) const fn new() -> Self {
        Self {
            descriptors: Directory::new(),
            side_channels: Directory::new(),
            sparse: Sparse::new(),
            targets: OnceLock::new(),
            identities: AtomicU32::new(FIRST_IDENTITY),
        }
    }

    /// The word of `number`: [`Word::NONE`] for every number that is not covered, negative ones included.
    #[inline]
    pub(crate) fn word(&self, number: RawFd) -> Word {
        let index = number.cast_unsigned() as usize;
        if index < Directory::<E>::REACH { self.descriptors.word(index) } else { self.word_beyond(number) }
    }

    /// The word of `number` if that takes no more than two loads: [`Word::UNKNOWN`] for the few numbers that are far away.
    #[inline(always)]
    pub(crate) fn glance(&self, number: RawFd) -> Word {
        let index = number.cast_unsigned() as usize;
        if let Some(slot) = self.descriptors.near(index) {
            slot.word()
        } else if index < Directory::<E>::REACH {
            rarely();
            self.descriptors.word(index)
        } else {
            rarely();
            Word::UNKNOWN
        }
    }

    #[cold]
    fn word_beyond(&self, number: RawFd) -> Word {
        // Before anything else: mmap is asked about -1 by allocators, which must not come back here.
        if number < 0 { Word::NONE } else { self.slot(number).map_or(Word::NONE, Slot::word) }
    }

    /// The slot of `number`, if it was ever covered.
    pub(crate) fn slot(&self, number: RawFd) -> Option<&Slot<E>> {
        match Place::of(number.cast_unsigned()) {
            Place::Descriptor(index) => self.descriptors.slot(index),
            Place::SideChannel(index) => self.side_channels.slot(index),
            Place::Sparse(number) => self.sparse.slot(number),
        }
    }

    /// The slot of `number`, made if need be.
    pub(crate) fn slot_or_grow(&self, number: RawFd) -> Result<&Slot<E>, NoSlot> {
        if number < 0 {
            return Err(NoSlot::Negative);
        }
        match Place::of(number.cast_unsigned()) {
            Place::Descriptor(index) => self.descriptors.slot_or_grow(index),
            Place::SideChannel(index) => self.side_channels.slot_or_grow(index),
            Place::Sparse(number) => Ok(self.sparse.slot_or_grow(number)),
        }
        .map_err(|directory::NoMemory| NoSlot::NoMemory)
    }

    /// The entry of `number`, if it belongs to `identity`.
    pub(crate) fn entry(&self, number: RawFd, identity: Identity) -> Option<Arc<E>> {
        self.slot(number)?.entry(identity)
    }

    /// The entry of `number`, whoever's it is, with its word.
    pub(crate) fn lookup(&self, number: RawFd) -> Option<(Word, Arc<E>)> {
        let word = self.word(number);
        Some((word, self.entry(number, word.identity()?)?))
    }

    /// Every number that is covered now, with its slot. Changes made meanwhile may or may not be seen.
    pub(crate) fn covered(&self) -> impl Iterator<Item = (RawFd, &Slot<E>)> {
        let number = |index: usize, base: u32| (index as u32 + base).cast_signed();
        let descriptors = self.descriptors.slots().map(move |(index, slot)| (number(index, 0), slot));
        let channels = self.side_channels.slots().map(move |(index, slot)| (number(index, SIDE_CHANNEL), slot));
        let sparse = self.sparse.numbers().into_iter();
        let sparse = sparse.filter_map(|number| Some((number.cast_signed(), self.sparse.slot(number)?)));
        descriptors.chain(channels).chain(sparse).filter(|(_, slot)| slot.word().is_covered())
    }

    /// Whether anything was ever attached.
    #[inline]
    pub(crate) fn is_in_use(&self) -> bool {
        // Relaxed: what was attached by another thread just now may be missed, as if the caller had come earlier.
        self.identities.load(Ordering::Relaxed) != FIRST_IDENTITY
    }

    /// An identity that no connection has, and none had for a long time.
    pub(crate) fn new_identity(&self) -> Identity {
        loop {
            // Relaxed: only that nobody gets the same one matters.
            let sequence = self.identities.fetch_add(1, Ordering::Relaxed);
            if let Some(identity) = Identity::from_sequence(sequence) {
                return identity;
            }
        }
    }

    /// Notes that `entry` goes to `target`.
    pub(crate) fn note_target(&self, target: &Target, entry: &Arc<E>) {
        let mut sharers = self.targets.get_or_init(DashMap::new).entry(target.clone()).or_default();
        sharers.retain(|sharer| sharer.strong_count() > 0);
        sharers.push(Arc::downgrade(entry));
    }

    /// Forgets what [`note_target`](Self::note_target) noted.
    pub(crate) fn forget_target(&self, target: &Target, entry: &Arc<E>) {
        let Some(targets) = self.targets.get() else { return };
        if let Some(mut sharers) = targets.get_mut(target) {
            sharers.retain(|sharer| sharer.strong_count() > 0 && !ptr::eq(sharer.as_ptr(), Arc::as_ptr(entry)));
        }
        targets.remove_if(target, |_, sharers| sharers.is_empty());
    }

    /// The connections that go to `target`.
    pub(crate) fn connections_to(&self, target: &Target) -> Vec<Arc<E>> {
        let sharers = self.targets.get().and_then(|targets| targets.get(target));
        sharers.map_or_else(Vec::new, |sharers| sharers.iter().filter_map(Weak::upgrade).collect())
    }
}

#[cfg(test)]
mod tests;
