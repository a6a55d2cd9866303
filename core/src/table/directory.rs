//! A two-level directory of slots: a fixed root of chunks that are made on demand and never freed.
//!
//! The first chunk, in which nearly every program has all its numbers, is part of the directory itself: one load finds
//! a word there, and no pointer has to be followed.
//!
//! # Safety
//!
//! A root pointer is null or came from `Box::into_raw` in [`grow`](Directory::grow), and is replaced never: it stays
//! valid until the directory is dropped, for as long as any reference handed out can live.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc};
use std::ptr::{self, NonNull};

use super::slot::Slot;
use super::word::Word;
use crate::sync::{AtomicPtr, Ordering};

/// Slots in a chunk: 16 KiB of them.
const CHUNK: usize = 1024;
/// Chunks in the root, the place of the first one included: together they reach the kernel's default limit for a process
/// (`fs.nr_open`, 2^20).
const ROOT: usize = 1024;

type Chunk<E> = [Slot<E>; CHUNK];

#[derive(Debug)]
pub(super) struct Directory<E> {
    first: Chunk<E>,
    /// Of the chunks behind the first, each at its position.
    root: [AtomicPtr<Chunk<E>>; ROOT],
}

/// There is no memory for a chunk; the directory is as it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoMemory;

impl<E> Directory<E> {
    /// How many numbers a directory holds.
    pub(super) const REACH: usize = CHUNK * ROOT;

    pub(super) const fn new() -> Self {
        Self { first: [const { Slot::new() }; CHUNK], root: [const { AtomicPtr::new(ptr::null_mut()) }; ROOT] }
    }

    /// The word at `index`, which must be below [`REACH`](Self::REACH); a slot never made is not covered.
    #[inline]
    pub(super) fn word(&self, index: usize) -> Word {
        self.slot(index).map_or(Word::NONE, Slot::word)
    }

    /// The slot at `index` if it is one of the first chunk, which is where it is found soonest.
    #[inline(always)]
    pub(super) fn near(&self, index: usize) -> Option<&Slot<E>> {
        self.first.get(index)
    }

    #[inline]
    pub(super) fn slot(&self, index: usize) -> Option<&Slot<E>> {
        if let Some(slot) = self.near(index) {
            return Some(slot);
        }
        // Acquire [chunk]: pairs with Release [chunk] in `grow`. Who sees the pointer sees the slots made.
        let chunk = self.root.get(index / CHUNK)?.load(Ordering::Acquire);
        // SAFETY: see the top of this file: null, or a chunk that outlives `self`.
        let chunk = unsafe { chunk.as_ref() }?;
        Some(&chunk[index % CHUNK])
    }

    #[cold]
    pub(super) fn slot_or_grow(&self, index: usize) -> Result<&Slot<E>, NoMemory> {
        match self.slot(index) {
            Some(slot) => Ok(slot),
            None => self.grow(index).map(|chunk| &chunk[index % CHUNK]),
        }
    }

    fn grow(&self, index: usize) -> Result<&Chunk<E>, NoMemory> {
        let chunk = Box::into_raw(new_chunk()?);
        // Release [chunk]: pairs with Acquire [chunk] in `slot`. Acquire [chunk] for the loser, who uses the winner's.
        let won =
            self.root[index / CHUNK].compare_exchange(ptr::null_mut(), chunk, Ordering::Release, Ordering::Acquire);
        match won {
            // SAFETY: just stored, never freed before the directory.
            Ok(_) => Ok(unsafe { &*chunk }),
            Err(theirs) => {
                // SAFETY: it came from `Box::into_raw` above and was not stored.
                drop(unsafe { Box::from_raw(chunk) });
                // SAFETY: not null, as the exchange failed; see the top of this file.
                Ok(unsafe { &*theirs })
            }
        }
    }

    /// Every slot that exists, with its index.
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, &Slot<E>)> {
        (0..ROOT).flat_map(move |position| {
            let first = position * CHUNK;
            (first..first + CHUNK).map_while(move |index| Some((index, self.slot(index)?)))
        })
    }
}

/// Allocates by hand because `Box::new` aborts when there is no memory, and would build 16 KiB on the stack.
fn new_chunk<E>() -> Result<Box<Chunk<E>>, NoMemory> {
    #[cfg(test)]
    if tests::MEMORY_IS_OUT.get() {
        return Err(NoMemory);
    }
    let layout = Layout::new::<Chunk<E>>();
    // SAFETY: the layout has a size above zero.
    let memory = unsafe { alloc(layout) };
    let chunk = NonNull::new(memory.cast::<Chunk<E>>()).ok_or(NoMemory)?;
    for index in 0..CHUNK {
        // SAFETY: `chunk` is memory for CHUNK slots, of which this is one.
        let slot = unsafe { chunk.cast::<Slot<E>>().add(index) };
        // SAFETY: as above; nothing is there yet that would have to be dropped.
        unsafe { slot.write(Slot::new()) };
    }
    // SAFETY: every slot has been written, with the layout that Box uses.
    Ok(unsafe { Box::from_raw(chunk.as_ptr()) })
}

impl<E> Drop for Directory<E> {
    fn drop(&mut self) {
        for position in &self.root {
            // Relaxed: `&mut self` says that nobody else is here.
            let chunk = position.load(Ordering::Relaxed);
            if !chunk.is_null() {
                // SAFETY: it came from `Box::into_raw`, and no reference outlives `self`.
                drop(unsafe { Box::from_raw(chunk) });
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        pub(in super::super) static MEMORY_IS_OUT: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn a_chunk_appears_with_its_first_slot_and_only_then() {
        let directory = Directory::<()>::new();
        assert!(directory.slot(CHUNK + 5).is_none());
        let slot: *const _ = directory.slot_or_grow(CHUNK + 5).unwrap();
        assert!(ptr::eq(slot, directory.slot(CHUNK + 5).unwrap()));
        assert!(directory.slot(2 * CHUNK).is_none());
        assert_eq!(directory.slots().count(), 2 * CHUNK);
    }

    #[test]
    fn the_first_chunk_is_always_there_and_ends_where_the_next_one_begins() {
        let directory = Directory::<()>::new();
        assert!(directory.slot(0).is_some() && directory.slot(CHUNK - 1).is_some());
        assert!(directory.slot(CHUNK).is_none());
        assert_eq!(directory.slots().map(|(index, _)| index).collect::<Vec<_>>(), (0..CHUNK).collect::<Vec<_>>());
    }

    #[test]
    fn threads_that_grow_the_same_chunk_get_the_same_slot() {
        let directory = Directory::<()>::new();
        let found: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| ptr::from_ref(directory.slot_or_grow(CHUNK + 7).unwrap()).addr()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|slot| *slot == found[0]));
    }

    #[test]
    fn without_memory_the_directory_stays_whole() {
        let directory = Directory::<()>::new();
        directory.slot_or_grow(0).unwrap();
        MEMORY_IS_OUT.set(true);
        assert_eq!(directory.slot_or_grow(CHUNK).err(), Some(NoMemory));
        assert!(directory.slot(CHUNK).is_none() && directory.slot(0).is_some());
        MEMORY_IS_OUT.set(false);
        assert!(directory.slot_or_grow(CHUNK).is_ok());
    }
}
