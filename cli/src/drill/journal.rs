//! The journal: records appended to a file, and what the file has to look like in the end.
//!
//! A server can append a record and die before it says so. The call is issued again, and the record is there twice:
//! that is the price of a request that may have been executed, and the call says that it was issued again. A record
//! that is there twice without that was duplicated.

use std::collections::{BTreeSet, HashMap};

use super::scene::Scene;
use crate::record::{self, HEADER, Kind, Record};

/// The payload of a journal's record.
const PAYLOAD: u32 = 96;

/// What was appended, as the writer knows it.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Records below this number were acknowledged.
    acknowledged: u64,
    /// Those among them whose call was issued more than once.
    issued_again: BTreeSet<u64>,
}

/// What the file holds in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspection {
    lost: u64,
    corrupted: u64,
    duplicated: u64,
    retransmitted: u64,
    repeated: u64,
}

/// The record of this number.
pub(crate) fn journal_record(connection: u32, number: u64) -> Record {
    Record { kind: Kind::Request, connection, number, payload: PAYLOAD }
}

impl Journal {
    /// Notes that the record of this number was appended, and whether the call was issued more than once.
    pub(crate) fn acknowledge(&mut self, number: u64, issued_again: bool) {
        self.acknowledged = number + 1;
        if issued_again {
            self.issued_again.insert(number);
        }
    }

    /// Compares the file's content with what was acknowledged.
    pub(crate) fn check(&self, content: &[u8], connection: u32) -> Inspection {
        let mut inspection = Inspection { retransmitted: self.issued_again.len() as u64, ..Inspection::default() };
        let mut copies: HashMap<u64, u64> = HashMap::new();
        let mut last = None;
        for bytes in content.chunks(HEADER + PAYLOAD as usize) {
            match record::verify(bytes) {
                Ok(found) if found == journal_record(connection, found.number) && Some(found.number) >= last => {
                    last = Some(found.number);
                    *copies.entry(found.number).or_default() += 1;
                }
                _ => inspection.corrupted += 1,
            }
        }
        for number in 0..self.acknowledged {
            match copies.get(&number) {
                None => inspection.lost += 1,
                Some(1) => {}
                Some(count) if self.issued_again.contains(&number) => inspection.repeated += count - 1,
                Some(count) => inspection.duplicated += count - 1,
            }
        }
        inspection
    }
}

impl Inspection {
    /// Enters the outcome into the findings.
    pub(crate) fn enter(&self, scene: &Scene, name: &str) {
        scene.note(|findings| {
            findings.lost += self.lost;
            findings.corrupted += self.corrupted;
            findings.duplicated += self.duplicated;
            findings.retransmitted += self.retransmitted;
            findings.repeated += self.repeated;
        });
        if self.lost + self.corrupted + self.duplicated > 0 {
            scene.fault(format!(
                "{name}: in the journal, {} records are missing, {} wrong and {} superfluous",
                self.lost, self.corrupted, self.duplicated
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(acknowledged: u64, issued_again: &[u64], file: &[u64]) -> Inspection {
        let mut journal = Journal::default();
        for number in 0..acknowledged {
            journal.acknowledge(number, issued_again.contains(&number));
        }
        let content: Vec<u8> = file.iter().flat_map(|number| journal_record(1, *number).encode()).collect();
        journal.check(&content, 1)
    }

    #[test]
    fn a_complete_journal_is_in_order() {
        assert_eq!(inspect(3, &[], &[0, 1, 2]), Inspection::default());
    }

    #[test]
    fn a_record_of_a_call_that_never_returned_is_in_order() {
        assert_eq!(inspect(2, &[], &[0, 1, 2]), Inspection::default());
    }

    #[test]
    fn a_missing_record_is_lost() {
        assert_eq!(inspect(3, &[], &[0, 2]).lost, 1);
    }

    #[test]
    fn a_repetition_needs_a_call_that_was_issued_again() {
        assert_eq!(inspect(2, &[1], &[0, 1, 1]).repeated, 1);
        assert_eq!(inspect(2, &[], &[0, 1, 1]).duplicated, 1);
    }

    #[test]
    fn a_record_out_of_order_is_wrong() {
        assert_eq!(inspect(2, &[], &[1, 0]).corrupted, 1);
    }

    #[test]
    fn a_torn_record_is_wrong() {
        let mut journal = Journal::default();
        journal.acknowledge(0, false);
        let bytes = journal_record(1, 0).encode();
        assert_eq!(journal.check(&bytes[..100], 1), Inspection { lost: 1, corrupted: 1, ..Inspection::default() });
    }
}
