//! Slots of numbers beyond both directories: a map of boxes that are made on demand and never freed.
//!
//! # Safety
//!
//! A box is never taken out of the map and never replaced, so the slot in it stays where it is until the map is
//! dropped, for as long as any reference handed out can live. The map moves the boxes, not what is in them.

#![allow(unsafe_code)]

use std::ptr;

use dashmap::DashMap;

use super::slot::Slot;
use crate::sync::OnceLock;

#[derive(Debug)]
pub(super) struct Sparse<E>(OnceLock<DashMap<u32, Box<Slot<E>>>>);

impl<E> Sparse<E> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn slot(&self, number: u32) -> Option<&Slot<E>> {
        let slot = ptr::from_ref::<Slot<E>>(self.0.get()?.get(&number)?.value());
        // SAFETY: see the top of this file.
        Some(unsafe { &*slot })
    }

    pub(super) fn slot_or_grow(&self, number: u32) -> &Slot<E> {
        let slots = self.0.get_or_init(DashMap::new);
        let slot = slots.entry(number).or_insert_with(|| Box::new(Slot::new()));
        let slot = ptr::from_ref::<Slot<E>>(slot.value());
        // SAFETY: see the top of this file.
        unsafe { &*slot }
    }

    /// The numbers that have a slot.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.0.get().map_or_else(Vec::new, |slots| slots.iter().map(|slot| *slot.key()).collect())
    }
}
