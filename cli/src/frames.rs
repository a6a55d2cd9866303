//! Finds records of one size in a stream that can contain torn ones.

use crate::record::{self, MAGIC, Record};

/// Bytes that have arrived, and where the next record may begin in them.
#[derive(Debug)]
pub(crate) struct Frames {
    size: usize,
    bytes: Vec<u8>,
    in_rubble: bool,
}

/// What was found next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole record, every byte of it right.
    Whole(Record),
    /// A run of bytes that belong to no whole record: one torn record.
    Torn,
}

impl Frames {
    /// Looks for records of `size` bytes.
    pub(crate) fn of(size: usize) -> Self {
        Self { size, bytes: Vec::new(), in_rubble: false }
    }

    /// Takes in bytes that have just arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next record or torn record; `None` until more bytes arrive.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        loop {
            if self.bytes.len() < self.size {
                return None;
            }
            if let Ok(record) = record::verify(&self.bytes[..self.size])
                && record.size() == self.size
            {
                self.bytes.drain(..self.size);
                self.in_rubble = false;
                return Some(Frame::Whole(record));
            }
            // Not even one byte of a record that cannot begin here may be skipped twice: search from the next one.
            let next = self.bytes[1..].windows(MAGIC.len()).position(|window| window == MAGIC);
            let skipped = next.map_or(self.bytes.len() - (MAGIC.len() - 1), |position| position + 1);
            self.bytes.drain(..skipped);
            if !self.in_rubble {
                self.in_rubble = true;
                return Some(Frame::Torn);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{HEADER, Kind};

    const SIZE: usize = 128;

    fn record(number: u64) -> Record {
        Record { kind: Kind::Answer, connection: 3, number, payload: (SIZE - HEADER) as u32 }
    }

    fn everything_in(frames: &mut Frames) -> Vec<Frame> {
        std::iter::from_fn(|| frames.pop()).collect()
    }

    #[test]
    fn records_in_one_piece_are_found() {
        let mut frames = Frames::of(SIZE);
        frames.push(&[record(1).encode(), record(2).encode()].concat());
        assert_eq!(everything_in(&mut frames), [Frame::Whole(record(1)), Frame::Whole(record(2))]);
    }

    #[test]
    fn half_a_record_waits_for_the_other_half() {
        let mut frames = Frames::of(SIZE);
        let bytes = record(1).encode();
        frames.push(&bytes[..60]);
        assert_eq!(frames.pop(), None);
        frames.push(&bytes[60..]);
        assert_eq!(frames.pop(), Some(Frame::Whole(record(1))));
    }

    proptest! {
        #[test]
        fn a_torn_record_costs_itself_only(cut in 1..SIZE, piece in 1..SIZE) {
            let mut torn = record(2).encode();
            torn.truncate(cut);
            let stream = [record(1).encode(), torn, record(3).encode(), record(4).encode()].concat();
            let mut frames = Frames::of(SIZE);
            let mut found = Vec::new();
            for bytes in stream.chunks(piece) {
                frames.push(bytes);
                found.extend(everything_in(&mut frames));
            }
            prop_assert_eq!(
                found,
                [Frame::Whole(record(1)), Frame::Torn, Frame::Whole(record(3)), Frame::Whole(record(4))]
            );
        }
    }
}
