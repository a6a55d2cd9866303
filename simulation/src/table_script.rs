//! The table, operation by operation, against a map.

#![allow(clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};

use arbitrary::{Arbitrary, Unstructured};

use crate::table::{Epoch, Identity, Kind, NoSlot, Table, Target, Unlinked, Word};

/// What is done to the table next.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Operation {
    /// A connection attaches to a number that has none, or tries to.
    Cover(Number),
    /// The owner of a number closes it.
    Unlink(Number),
    /// Somebody who owned the number once is late.
    UnlinkTooLate(Number),
    /// An episode opens on a number.
    Fail(Number),
    /// The transplant of a number begins.
    Move(Number),
    /// The thread that moves a number finds that it cannot.
    UnlinkMoving(Number),
    /// The verdict comes.
    Recover(Number),
    /// The verdict comes, for somebody who owned the number once.
    RecoverTooLate(Number),
    /// A number's connection is said to go to this server.
    GoesTo(Number, u8),
    /// And then not.
    GoesElsewhere(Number, u8),
}

/// A descriptor or a connection id: from all regions of the table, and from their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub RawFd);

/// The first connection id that is not a file descriptor.
const SIDE_CHANNEL: RawFd = 0x4000_0000;
/// So many numbers have a place of their own in each region.
const REACH: RawFd = 1 << 20;

impl Arbitrary<'_> for Number {
    fn arbitrary(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let base =
            *bytes.choose(&[0, 1022, REACH - 2, SIDE_CHANNEL - 2, SIDE_CHANNEL + REACH - 2, RawFd::MAX - 3, -2])?;
        Ok(Self(base + bytes.int_in_range(0..=3)?))
    }
}

/// How many servers there are.
const SERVERS: u8 = 3;

/// What a number stands for: its word, spelt out, and its connection.
struct Member {
    identity: Identity,
    epoch: Epoch,
    state: State,
    connection: Arc<RawFd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Settled,
    Busy,
    Moving,
}

#[derive(Default)]
struct Model {
    members: BTreeMap<RawFd, Member>,
    /// The last identity that each number had before the one that it has.
    last: BTreeMap<RawFd, Identity>,
    targets: BTreeMap<u8, Vec<Weak<RawFd>>>,
}

/// Does the operations and compares the table with the map after each of them.
pub fn check(operations: &[Operation]) {
    let table = Table::new();
    let mut model = Model::default();
    for operation in operations {
        happen(*operation, &table, &mut model);
        compare(&table, &model);
    }
}

fn happen(operation: Operation, table: &Table<RawFd>, model: &mut Model) {
    use State::{Busy, Moving, Settled};
    match operation {
        Operation::Cover(Number(number)) => cover(number, table, model),
        Operation::Unlink(Number(number)) => {
            let Some(member) = model.members.get(&number) else { return };
            let unlinked = slot(table, number).unlink(member.identity);
            let expected = if member.state == Moving { Unlinked::Moving } else { Unlinked::Out };
            assert_eq!(unlinked, expected);
            model.forget_if(unlinked, number);
        }
        Operation::UnlinkTooLate(Number(number)) => {
            let Some(identity) = model.last.get(&number) else { return };
            assert_eq!(slot(table, number).unlink(*identity), Unlinked::NotOurs);
            assert_eq!(slot(table, number).unlink_moving(*identity), Unlinked::NotOurs);
        }
        Operation::UnlinkMoving(Number(number)) => {
            let Some(member) = model.members.get(&number) else { return };
            let unlinked = slot(table, number).unlink_moving(member.identity);
            let expected = if member.state == Moving { Unlinked::Out } else { Unlinked::NotOurs };
            assert_eq!(unlinked, expected);
            model.forget_if(unlinked, number);
        }
        Operation::Fail(Number(number)) => {
            let Some(member) = model.members.get_mut(&number) else { return };
            // While it moves, its connection's gate is closed: no other episode opens.
            if member.state == Settled {
                assert!(slot(table, number).make_busy(member.identity));
                member.state = Busy;
            }
        }
        Operation::Move(Number(number)) => {
            let Some(member) = model.members.get_mut(&number) else { return };
            assert!(slot(table, number).begin_move(member.identity));
            member.state = Moving;
        }
        Operation::Recover(Number(number)) => {
            let Some(member) = model.members.get_mut(&number) else { return };
            (member.state, member.epoch) = (Settled, member.epoch.after_recovery());
            assert!(slot(table, number).settle(member.identity, member.epoch));
        }
        Operation::RecoverTooLate(Number(number)) => {
            let Some(identity) = model.last.get(&number) else { return };
            let slot = slot(table, number);
            assert!(!slot.make_busy(*identity) && !slot.begin_move(*identity));
            assert!(!slot.settle(*identity, Epoch::default().after_giving_up()));
        }
        Operation::GoesTo(Number(number), server) => {
            let Some(member) = model.members.get(&number) else { return };
            table.note_target(&target(server), &member.connection);
            model.targets.entry(server % SERVERS).or_default().push(Arc::downgrade(&member.connection));
        }
        Operation::GoesElsewhere(Number(number), server) => {
            let Some(member) = model.members.get(&number) else { return };
            table.forget_target(&target(server), &member.connection);
            let sharers = model.targets.entry(server % SERVERS).or_default();
            sharers.retain(|sharer| sharer.as_ptr() != Arc::as_ptr(&member.connection));
        }
    }
}

fn cover(number: RawFd, table: &Table<RawFd>, model: &mut Model) {
    let slot = match table.slot_or_grow(number) {
        Ok(slot) => slot,
        Err(error) => return assert_eq!((error, number < 0), (NoSlot::Negative, true)),
    };
    let identity = table.new_identity();
    assert!(model.members.values().all(|member| member.identity != identity), "given out twice");
    let connection = Arc::new(number);
    let epoch = Epoch::default();
    let is_free = !model.members.contains_key(&number);
    assert_eq!(slot.publish(Word::live(identity, kind_of(number), epoch), Arc::clone(&connection)), is_free);
    if is_free {
        model.members.insert(number, Member { identity, epoch, state: State::Settled, connection });
    }
}

fn compare(table: &Table<RawFd>, model: &Model) {
    let mut covered: Vec<_> = table.covered().map(|(number, _)| number).collect();
    covered.sort_unstable();
    assert!(covered.iter().eq(model.members.keys()), "{covered:?}");
    for (number, member) in &model.members {
        let word = table.word(*number);
        assert_eq!((word.identity(), word.kind()), (Some(member.identity), kind_of(*number)));
        assert_eq!(word.epoch(), member.epoch);
        assert_eq!(word.is_busy(), member.state == State::Busy);
        assert_eq!(word.is_moving(), member.state == State::Moving);
        let entry = table.entry(*number, member.identity);
        assert!(entry.is_some_and(|entry| Arc::ptr_eq(&entry, &member.connection)));
        assert!(table.lookup(*number).is_some());
    }
    for (number, identity) in &model.last {
        assert!(table.entry(*number, *identity).is_none(), "an entry is handed to who owned the number once");
        if !model.members.contains_key(number) {
            assert_eq!(table.word(*number), Word::NONE);
            assert!(table.lookup(*number).is_none());
        }
    }
    for server in 0..SERVERS {
        let expected = model.targets.get(&server).into_iter().flatten().filter_map(Weak::upgrade);
        let found = table.connections_to(&target(server));
        assert!(expected.map(|one| Arc::as_ptr(&one)).eq(found.iter().map(Arc::as_ptr)), "server {server}");
    }
}

impl Model {
    fn forget_if(&mut self, unlinked: Unlinked, number: RawFd) {
        if unlinked != Unlinked::Out {
            return;
        }
        if let Some(member) = self.members.remove(&number) {
            assert_eq!(Arc::strong_count(&member.connection), 1, "the table has kept the entry");
            self.last.insert(number, member.identity);
        }
    }
}

fn slot(table: &Table<RawFd>, number: RawFd) -> &crate::table::Slot<RawFd> {
    table.slot(number).unwrap_or_else(|| unreachable!("it was covered once"))
}

fn target(server: u8) -> Target {
    Target::Address(format!("server{}:7000", server % SERVERS))
}

fn kind_of(number: RawFd) -> Kind {
    if number < SIDE_CHANNEL { Kind::Stream } else { Kind::Channel }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn the_table_behaves_like_a_map(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
            check(&crate::all(&mut Unstructured::new(&bytes)).unwrap_or_default());
        }
    }
}
