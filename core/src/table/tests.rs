use super::directory::tests::MEMORY_IS_OUT;
use super::*;

fn cover(table: &Table<RawFd>, number: RawFd) -> Option<Identity> {
    let identity = table.new_identity();
    let word = Word::live(identity, Kind::File, Epoch::default());
    table.slot_or_grow(number).ok()?.publish(word, Arc::new(number)).then_some(identity)
}

const SIDE: RawFd = SIDE_CHANNEL as RawFd;

#[test]
fn numbers_of_every_region_are_found_again() {
    let table = Table::new();
    for number in [0, 1023, 1024, (1 << 20) - 1, 1 << 20, SIDE - 1, SIDE, SIDE + 5000, RawFd::MAX] {
        assert_eq!(table.word(number), Word::NONE);
        let identity = cover(&table, number).unwrap();
        assert!(table.word(number).belongs_to(identity));
        assert_eq!(table.entry(number, identity).as_deref(), Some(&number));
    }
    assert_eq!(table.covered().count(), 9);
}

#[test]
fn negative_numbers_are_never_covered_and_never_panic() {
    let table = Table::<RawFd>::new();
    for number in [-1, -2, RawFd::MIN] {
        assert_eq!(table.word(number), Word::NONE);
        assert_eq!(table.slot_or_grow(number).err(), Some(NoSlot::Negative));
        assert!(table.lookup(number).is_none());
    }
}

#[test]
fn failed_growth_is_out_of_memory_and_leaves_the_table_whole() {
    let table = Table::new();
    cover(&table, 3).unwrap();
    MEMORY_IS_OUT.set(true);
    assert_eq!(table.slot_or_grow(5000).err(), Some(NoSlot::NoMemory));
    MEMORY_IS_OUT.set(false);
    assert_eq!(table.covered().map(|(number, _)| number).collect::<Vec<_>>(), [3]);
    assert!(cover(&table, 5000).is_some());
}

#[test]
fn connections_that_share_a_server_are_found_by_their_target() {
    let table = Table::<u32>::new();
    let target = Target::Address("db:5432".into());
    let (first, second) = (Arc::new(1), Arc::new(2));
    table.note_target(&target, &first);
    table.note_target(&target, &second);
    assert_eq!(table.connections_to(&target), [first.clone(), second.clone()]);
    table.forget_target(&target, &first);
    assert_eq!(table.connections_to(&target), std::slice::from_ref(&second));
    drop(second);
    assert!(table.connections_to(&target).is_empty());
}
