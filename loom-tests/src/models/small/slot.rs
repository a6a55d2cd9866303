//! The slot: a number comes, goes, and comes back as somebody else's while others look.
//!
//! A model's threads are one thread of the system, so nothing has to be Sync for std.

#![allow(clippy::arc_with_non_send_sync)]

use std::sync::Arc;

use super::models;
use crate::sync::thread::spawn;
use crate::table::{Epoch, Identity, Kind, Table, Unlinked, Word};

models! { "slot":
    attach_races_lookup within 3,
    a_number_closed_and_reused_never_hands_out_the_other_entry within 3,
    of_two_attachments_one_wins within 3,
    of_two_closes_one_takes_the_number_out within 3,
    a_close_waits_for_a_number_that_is_moving within 3,
    an_episode_races_the_close_of_its_number within 3,
    what_was_put_under_a_number_is_seen_with_its_settled_word within 3,
    a_number_is_taken_over_with_everything_its_last_owner_did within 3,
}

const NUMBER: i32 = 1;

fn identity(sequence: u32) -> Identity {
    Identity::from_sequence(sequence).expect("not zero")
}

fn live(sequence: u32) -> Word {
    Word::live(identity(sequence), Kind::Stream, Epoch::default())
}

/// A table in which the number belongs to connection 1, whose entry is 1.
fn with_first() -> Arc<Table<u32>> {
    let table = Arc::new(Table::new());
    let slot = table.slot_or_grow(NUMBER).expect("there is memory");
    assert!(slot.publish(live(1), Arc::new(1)));
    table
}

/// Who sees that the number is covered finds its entry.
fn attach_races_lookup() {
    let table = Arc::new(Table::new());
    let attacher = spawn({
        let table = Arc::clone(&table);
        move || assert!(table.slot_or_grow(NUMBER).expect("there is memory").publish(live(1), Arc::new(1)))
    });
    let word = table.word(NUMBER);
    if word.is_covered() {
        assert_eq!(table.entry(NUMBER, identity(1)).as_deref(), Some(&1));
    }
    attacher.join();
    assert_eq!(table.lookup(NUMBER).map(|(_, entry)| *entry), Some(1));
}

/// A call that failed on connection 1 must not be handed connection 2, which got the number meanwhile.
fn a_number_closed_and_reused_never_hands_out_the_other_entry() {
    let table = with_first();
    let closer = spawn({
        let table = Arc::clone(&table);
        move || {
            let slot = table.slot(NUMBER).expect("it was made");
            assert_eq!(slot.unlink(identity(1)), Unlinked::Out);
            assert!(slot.publish(live(2), Arc::new(2)));
        }
    });
    assert!(matches!(table.entry(NUMBER, identity(1)).as_deref(), None | Some(1)));
    if let Some((word, entry)) = table.lookup(NUMBER) {
        assert_eq!(word, live(*entry));
    }
    closer.join();
    assert_eq!(table.entry(NUMBER, identity(1)), None);
}

/// The loser's entry must not be left in the slot.
fn of_two_attachments_one_wins() {
    let table = Arc::new(Table::new());
    table.slot_or_grow(NUMBER).expect("there is memory");
    let attach = |table: &Table<u32>, number| {
        table.slot(NUMBER).is_some_and(|slot| slot.publish(live(number), Arc::new(number)))
    };
    let other = spawn({
        let table = Arc::clone(&table);
        move || attach(&table, 2)
    });
    let mine = attach(&table, 1);
    let others = other.join();
    assert!(mine != others, "exactly one");
    assert_eq!(table.lookup(NUMBER).map(|(_, entry)| *entry), Some(if mine { 1 } else { 2 }));
}

/// Who is told "out" closes the number; it must be one.
fn of_two_closes_one_takes_the_number_out() {
    let table = with_first();
    let close = |table: &Table<u32>| table.slot(NUMBER).expect("it was made").unlink(identity(1)) == Unlinked::Out;
    let other = spawn({
        let table = Arc::clone(&table);
        move || close(&table)
    });
    assert!(close(&table) != other.join());
    assert_eq!(table.word(NUMBER), Word::NONE);
}

/// While the transplant moves a number, a close must not take it out: its description would be put under a stranger.
fn a_close_waits_for_a_number_that_is_moving() {
    let table = with_first();
    let mover = spawn({
        let table = Arc::clone(&table);
        move || {
            let slot = table.slot(NUMBER).expect("it was made");
            if !slot.begin_move(identity(1)) {
                return false;
            }
            assert!(slot.word().belongs_to(identity(1)), "held still");
            assert!(slot.settle(identity(1), Epoch::default().after_recovery()), "and still ours");
            true
        }
    });
    let unlinked = table.slot(NUMBER).expect("it was made").unlink(identity(1));
    let moved = mover.join();
    assert!(unlinked == Unlinked::Out || moved && unlinked == Unlinked::Moving);
}

/// Opening and ending an episode on a number that is being closed leaves it closed.
fn an_episode_races_the_close_of_its_number() {
    let table = with_first();
    let holder = spawn({
        let table = Arc::clone(&table);
        move || {
            let slot = table.slot(NUMBER).expect("it was made");
            slot.make_busy(identity(1));
            slot.settle(identity(1), Epoch::default().after_giving_up());
        }
    });
    assert_eq!(table.slot(NUMBER).expect("it was made").unlink(identity(1)), Unlinked::Out);
    holder.join();
    assert_eq!(table.word(NUMBER), Word::NONE);
}

/// The mover writes what stands under the number and settles the word; a caller that sees the word uses the number.
fn what_was_put_under_a_number_is_seen_with_its_settled_word() {
    let table = with_first();
    let description = Arc::new(crate::checker::UnsafeCell::new("old"));
    let after = Epoch::default().after_recovery();
    let mover = spawn({
        let (table, description) = (Arc::clone(&table), Arc::clone(&description));
        move || {
            let slot = table.slot(NUMBER).expect("it was made");
            assert!(slot.begin_move(identity(1)));
            // SAFETY: loom checks that nobody reads meanwhile.
            description.with_mut(|place| unsafe { *place = "new" });
            assert!(slot.settle(identity(1), after));
        }
    });
    if table.word(NUMBER).epoch() == after {
        // SAFETY: as above.
        assert_eq!(description.with(|place| unsafe { *place }), "new");
    }
    mover.join();
}

/// The one who closes works on the connection before the number is out; the one who attaches next comes after that.
fn a_number_is_taken_over_with_everything_its_last_owner_did() {
    let table = with_first();
    let closer = spawn({
        let table = Arc::clone(&table);
        move || table.slot(NUMBER).expect("it was made").unlink(identity(1))
    });
    // Fails until the number is out. If it succeeds, it writes the entry after the closer has.
    let attached = table.slot(NUMBER).expect("it was made").publish(live(2), Arc::new(2));
    assert_eq!(closer.join(), Unlinked::Out);
    assert_eq!(table.lookup(NUMBER).map(|(_, entry)| *entry), attached.then_some(2));
}
