//! The record: what a drill and its servers say to one another.
//!
//! ```text
//!   0      4      8            12       16         24         28       32
//!   | magic | kind | connection | length |  number  | checksum |  zero  | payload (length bytes)
//! ```
//!
//! Everything in a record is a function of its kind, connection, number and length, so whoever receives one can
//! tell whether every single byte is right. The checksum tells a torn record from a whole one without that knowledge.

/// The bytes of a record before its payload.
pub(crate) const HEADER: usize = 32;

/// How every record begins. The first byte is not ASCII and not valid UTF-8, so that text never looks like a record.
pub(crate) const MAGIC: [u8; 4] = *b"\xf5haR";

/// Payloads above this are refused: the length field itself must be damaged.
pub(crate) const MAX_PAYLOAD: u32 = 1 << 20;

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The client asks. A server receives each number at most once in this way, over one connection.
    Request,
    /// The client asks what it has asked before, because the first request may have died with a server.
    Again,
    /// The client is certain that this number went out over this connection. There is no answer when that is so.
    Check,
    /// The server answers the request of the same number.
    Answer,
    /// The server received bytes that are not a request; the number is meaningless.
    Refusal,
    /// A server that has just started introduces itself; the number is its incarnation.
    Hello,
    /// The server received a request of this number a second time, and nothing said that it was one.
    Twice,
    /// The server was told that it has received this number over this connection, and it has not.
    Missing,
}

const KINDS: [Kind; 8] =
    [Kind::Request, Kind::Answer, Kind::Refusal, Kind::Hello, Kind::Again, Kind::Check, Kind::Twice, Kind::Missing];

/// One record, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What it is for.
    pub(crate) kind: Kind,
    /// The connection it belongs to.
    pub(crate) connection: u32,
    /// Which request of this connection.
    pub(crate) number: u64,
    /// The bytes of payload after the header.
    pub(crate) payload: u32,
}

/// What is wrong with bytes that should have been a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    /// Fewer bytes than the header says.
    #[error("the record is cut short")]
    Short,
    /// It does not begin as a record does.
    #[error("no record begins here")]
    Magic,
    /// The header makes no sense.
    #[error("the header makes no sense")]
    Header,
    /// The checksum does not fit.
    #[error("the checksum is wrong")]
    Checksum,
    /// The checksum fits, and yet these are not the bytes that this record has.
    #[error("the payload is not what this record contains")]
    Payload,
}

impl Record {
    /// The record's bytes.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut bytes = vec![0; self.size()];
        let (header, payload) = bytes.split_at_mut(HEADER);
        header[0..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&self.kind.code().to_le_bytes());
        header[8..12].copy_from_slice(&self.connection.to_le_bytes());
        header[12..16].copy_from_slice(&self.payload.to_le_bytes());
        header[16..24].copy_from_slice(&self.number.to_le_bytes());
        fill(self.key(), 0, payload);
        let checksum = checksum(header, payload);
        header[24..28].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// How many bytes the whole record has.
    pub(crate) fn size(self) -> usize {
        HEADER + self.payload as usize
    }

    /// What the payload is made from.
    fn key(self) -> u64 {
        mix(u64::from(self.kind.code()) << 32 | u64::from(self.connection)) ^ mix(self.number)
    }
}

impl Kind {
    fn code(self) -> u32 {
        match self {
            Self::Request => 1,
            Self::Answer => 2,
            Self::Refusal => 3,
            Self::Hello => 4,
            Self::Again => 5,
            Self::Check => 6,
            Self::Twice => 7,
            Self::Missing => 8,
        }
    }

    fn of(code: u32) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.code() == code)
    }
}

/// Reads a header, without looking at what follows it.
pub(crate) fn header(bytes: &[u8]) -> Result<Record, Flaw> {
    let bytes = bytes.first_chunk::<HEADER>().ok_or(Flaw::Short)?;
    if bytes[0..4] != MAGIC {
        return Err(Flaw::Magic);
    }
    let record = Record {
        kind: Kind::of(word(bytes, 4)).ok_or(Flaw::Header)?,
        connection: word(bytes, 8),
        payload: word(bytes, 12),
        number: u64::from(word(bytes, 16)) | u64::from(word(bytes, 20)) << 32,
    };
    if record.payload > MAX_PAYLOAD || word(bytes, 28) != 0 {
        return Err(Flaw::Header);
    }
    Ok(record)
}

/// Reads a whole record and checks every byte of it.
pub(crate) fn verify(bytes: &[u8]) -> Result<Record, Flaw> {
    let record = header(bytes)?;
    let (head, rest) = bytes.split_at(HEADER);
    let payload = rest.get(..record.payload as usize).ok_or(Flaw::Short)?;
    if checksum(head, payload) != word(head, 24) {
        return Err(Flaw::Checksum);
    }
    if is_filled(record.key(), 0, payload) { Ok(record) } else { Err(Flaw::Payload) }
}

/// Writes the content that belongs to `key` into `out`, as if it began `offset` bytes into that content.
pub(crate) fn fill(key: u64, offset: u64, out: &mut [u8]) {
    let mut position = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let word = mix(key.wrapping_add(position / 8)).to_le_bytes();
        let from = (position % 8) as usize;
        let count = rest.len().min(8 - from);
        let (now, later) = rest.split_at_mut(count);
        now.copy_from_slice(&word[from..from + count]);
        position += count as u64;
        rest = later;
    }
}

/// Whether `bytes` are what [`fill`] would have written.
pub(crate) fn is_filled(key: u64, offset: u64, bytes: &[u8]) -> bool {
    let mut expected = vec![0; bytes.len()];
    fill(key, offset, &mut expected);
    expected == bytes
}

/// Spreads a number over 64 bits (the finalizer of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The checksum covers the header before its own field, and the payload.
fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..24]);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_record() -> impl Strategy<Value = Record> {
        (1..=8_u32, any::<u32>(), any::<u64>(), 0..2000_u32).prop_map(|(kind, connection, number, payload)| Record {
            kind: Kind::of(kind).unwrap(),
            connection,
            number,
            payload,
        })
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_sent(record in some_record()) {
            prop_assert_eq!(verify(&record.encode()), Ok(record));
        }

        #[test]
        fn one_damaged_bit_is_noticed(
            record in some_record(),
            position in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let mut bytes = record.encode();
            let at = position.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(verify(&bytes).is_err());
        }

        #[test]
        fn a_record_cut_short_is_noticed(record in some_record(), cut in any::<prop::sample::Index>()) {
            let bytes = record.encode();
            prop_assert!(verify(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn content_does_not_depend_on_where_reading_began(
            key in any::<u64>(),
            start in 0..200_usize,
            length in 0..200_usize,
        ) {
            let mut whole = [0; 400];
            fill(key, 0, &mut whole);
            prop_assert!(is_filled(key, start as u64, &whole[start..start + length]));
        }
    }

    #[test]
    fn the_tail_of_one_record_behind_the_head_of_another_is_noticed() {
        let record = |number| Record { kind: Kind::Answer, connection: 1, number, payload: 96 }.encode();
        let mut bytes = record(1);
        bytes[64..].copy_from_slice(&record(2)[64..]);
        assert_eq!(verify(&bytes), Err(Flaw::Checksum));
    }
}
