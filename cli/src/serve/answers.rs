//! The answers of one connection: what a server says to each record that a client sends.
//!
//! An answer is a function of the request's number, so asking again is harmless as long as it is marked as such: the
//! number is then answered once, however often it comes. The same request twice without a mark is one that a covered
//! call has issued twice, which only a server can see.

use std::collections::HashSet;
use std::io::{self, Write};

use super::mischief::Mischief;
use crate::drill::Sabotage;
use crate::record::{HEADER, Kind, Record};

/// What has been received over one connection, and where the answers go.
pub(super) struct Answers<W> {
    output: W,
    mischief: Mischief,
    /// The payload of whatever is said.
    payload: u32,
    seen: HashSet<u64>,
}

impl<W: Write> Answers<W> {
    /// Nothing has been received yet. The server introduces itself.
    pub(super) fn greet(output: W, mischief: Mischief, payload: u32, incarnation: u64) -> io::Result<Self> {
        let mut answers = Self { output, mischief, payload, seen: HashSet::new() };
        answers.say(Kind::Hello, 0, incarnation)?;
        Ok(answers)
    }

    /// Answers a record, or says why it is not as it should be.
    pub(super) fn answer(&mut self, record: Record) -> io::Result<()> {
        let Record { kind, connection, number, .. } = record;
        match kind {
            Kind::Request if self.seen.contains(&number) => self.say(Kind::Twice, connection, number),
            Kind::Request | Kind::Again => {
                if self.seen.insert(number) {
                    self.deliver(connection, number)?;
                }
                Ok(())
            }
            Kind::Check if self.seen.contains(&number) => Ok(()),
            Kind::Check => self.say(Kind::Missing, connection, number),
            Kind::Answer | Kind::Refusal | Kind::Hello | Kind::Twice | Kind::Missing => self.refuse(),
        }
    }

    /// Says that something came which no client sends. It will count this as corruption.
    pub(super) fn refuse(&mut self) -> io::Result<()> {
        self.say(Kind::Refusal, 0, 0)
    }

    fn say(&mut self, kind: Kind, connection: u32, number: u64) -> io::Result<()> {
        self.output.write_all(&Record { kind, connection, number, payload: self.payload }.encode())
    }

    /// Delivers an answer: now and then in two halves, and not at all well under sabotage.
    fn deliver(&mut self, connection: u32, number: u64) -> io::Result<()> {
        let mut bytes = Record { kind: Kind::Answer, connection, number, payload: self.payload }.encode();
        match self.mischief.sabotages(number) {
            None => {}
            Some(Sabotage::Lose) => return Ok(()),
            Some(Sabotage::Corrupt) => bytes[HEADER + 1] ^= 0x10,
            Some(Sabotage::Duplicate) => self.output.write_all(&bytes)?,
        }
        let Some((cut, pause)) = self.mischief.cut(bytes.len()) else { return self.output.write_all(&bytes) };
        self.output.write_all(&bytes[..cut])?;
        std::thread::sleep(pause);
        self.output.write_all(&bytes[cut..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;

    const PAYLOAD: u32 = 16;

    /// What a server says to these records after its greeting.
    fn said_to(records: &[(Kind, u64)]) -> Vec<(Kind, u64)> {
        let mut output = Vec::new();
        let mut answers = Answers::greet(&mut output, Mischief::none(), PAYLOAD, 1).unwrap();
        for (kind, number) in records {
            answers.answer(Record { kind: *kind, connection: 3, number: *number, payload: 0 }).unwrap();
        }
        let said = output.chunks(HEADER + PAYLOAD as usize).map(|bytes| record::verify(bytes).unwrap());
        said.skip(1).map(|record| (record.kind, record.number)).collect()
    }

    #[test]
    fn what_is_marked_as_sent_again_is_answered_once() {
        assert_eq!(said_to(&[(Kind::Request, 5), (Kind::Again, 5), (Kind::Again, 5)]), [(Kind::Answer, 5)]);
        assert_eq!(said_to(&[(Kind::Again, 5), (Kind::Again, 5)]), [(Kind::Answer, 5)]);
    }

    #[test]
    fn the_same_request_twice_is_reported() {
        assert_eq!(said_to(&[(Kind::Request, 5), (Kind::Request, 5)]), [(Kind::Answer, 5), (Kind::Twice, 5)]);
    }

    #[test]
    fn a_request_that_is_said_to_have_come_and_has_not_is_reported() {
        assert_eq!(said_to(&[(Kind::Request, 5), (Kind::Check, 5)]), [(Kind::Answer, 5)]);
        assert_eq!(said_to(&[(Kind::Check, 6)]), [(Kind::Missing, 6)]);
    }

    #[test]
    fn an_answer_is_not_what_a_server_is_sent() {
        assert_eq!(said_to(&[(Kind::Answer, 5)]), [(Kind::Refusal, 0)]);
    }
}
