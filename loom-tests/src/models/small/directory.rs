//! The directory: chunks appear while others look. The first one, of two slots here, is always there.

use std::ptr;
use std::sync::Arc;

use super::models;
use crate::sync::thread::spawn;
use crate::table::{Table, Word};

models! { "directory":
    two_threads_grow_the_same_chunk within 3,
    a_lookup_that_races_growth_finds_whole_slots_or_none within 3,
    two_threads_grow_neighbouring_chunks within 3,
}

/// Both want the chunk, one makes it: they must agree on the slot, and its maker's chunk must be whole for the loser.
fn two_threads_grow_the_same_chunk() {
    let table = Arc::new(Table::<()>::new());
    let grow = |table: Arc<Table<()>>| {
        move || {
            let slot = table.slot_or_grow(2).expect("there is memory");
            assert_eq!(slot.word(), Word::NONE);
            ptr::from_ref(slot).addr()
        }
    };
    let other = spawn(grow(Arc::clone(&table)));
    let mine = grow(table)();
    assert_eq!(other.join(), mine);
}

/// The one who looks must not see a chunk whose slots have not been made yet.
fn a_lookup_that_races_growth_finds_whole_slots_or_none() {
    let table = Arc::new(Table::<()>::new());
    let grower = spawn({
        let table = Arc::clone(&table);
        move || drop(table.slot_or_grow(3).map(|slot| slot.word()))
    });
    assert_eq!(table.word(3), Word::NONE);
    assert_eq!(table.word(2), Word::NONE);
    grower.join();
    assert!(table.slot(2).is_some(), "a chunk is never lost");
}

/// Chunks do not know of each other.
fn two_threads_grow_neighbouring_chunks() {
    let table = Arc::new(Table::<()>::new());
    let other = spawn({
        let table = Arc::clone(&table);
        move || assert!(table.slot_or_grow(4).is_ok())
    });
    assert!(table.slot_or_grow(3).is_ok());
    other.join();
    assert!(table.slot(3).is_some() && table.slot(4).is_some() && table.slot(6).is_none());
}
