//! The word, transition by transition, against an enum.

#![allow(clippy::missing_panics_doc)]

use arbitrary::Arbitrary;

use crate::table::{Epoch, Identity, Kind, Word};

/// What happens to the word of a number next. What its state does not allow does not happen.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Transition {
    /// The number becomes a member of the connection with this sequence number.
    Publish {
        /// Wraps to 26 bits; none of these may be zero.
        sequence: u32,
        /// Of the description.
        kind: u8,
        /// The connection has had so many recoveries.
        generation: u16,
        /// The connection has had so many verdicts.
        episode: u16,
    },
    /// The connection wants to see successful calls too.
    Detour,
    /// An episode opens.
    Fail,
    /// The transplant of the number begins.
    Move,
    /// The verdict comes: recovered.
    Recover,
    /// The verdict comes: given up.
    GiveUp,
    /// The number leaves.
    Unlink,
}

/// How many generations and episodes are told apart.
const EPOCHS: u32 = 1 << 15;
/// How many identities are told apart.
const IDENTITIES: u32 = 1 << 26;

/// What a word stands for.
#[derive(Clone, Copy, Debug)]
enum Model {
    Nobody,
    Member { state: State, member: Member },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Settled,
    Busy,
    Moving,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    sequence: u32,
    kind: Kind,
    generation: u32,
    episode: u32,
    detoured: bool,
}

/// Makes the transitions and compares the word with the model after each of them.
pub fn check(transitions: &[Transition]) {
    let (mut word, mut model) = (Word::NONE, Model::Nobody);
    compare(word, model);
    for transition in transitions {
        (word, model) = after(*transition, word, model);
        compare(word, model);
    }
}

fn after(transition: Transition, word: Word, model: Model) -> (Word, Model) {
    use Model::{Member as In, Nobody};
    use State::{Busy, Moving, Settled};
    match (transition, model) {
        (Transition::Publish { sequence, kind, generation, episode }, Nobody) => {
            let sequence = (sequence % IDENTITIES).max(1);
            let (generation, episode) = (u32::from(generation) % EPOCHS, u32::from(episode) % EPOCHS);
            let member = Member { sequence, kind: kind_of(kind), generation, episode, detoured: false };
            (Word::live(identity(sequence), member.kind, epoch_of(member)), In { state: Settled, member })
        }
        (Transition::Detour, In { state, member }) => {
            (word.detoured(), In { state, member: Member { detoured: true, ..member } })
        }
        (Transition::Fail, In { state: Settled, member }) => (word.busy(), In { state: Busy, member }),
        (Transition::Move, In { state: Settled | Busy, member }) => (word.moving(), In { state: Moving, member }),
        (Transition::Recover, In { member, .. }) => {
            let (generation, episode) = ((member.generation + 1) % EPOCHS, (member.episode + 1) % EPOCHS);
            let member = Member { generation, episode, ..member };
            (word.settled(word.epoch().after_recovery()), In { state: Settled, member })
        }
        (Transition::GiveUp, In { member, .. }) => {
            let member = Member { episode: (member.episode + 1) % EPOCHS, ..member };
            (word.settled(word.epoch().after_giving_up()), In { state: Settled, member })
        }
        (Transition::Unlink, In { .. }) => (Word::NONE, Nobody),
        (_, impossible) => (word, impossible),
    }
}

fn compare(word: Word, model: Model) {
    assert_eq!(Word::from_bits(word.bits()), word);
    let Model::Member { state, member } = model else {
        assert_eq!((word, word.identity()), (Word::NONE, None));
        assert!(!word.is_covered() && word.is_quiet());
        return;
    };
    assert!(word.is_covered());
    assert_eq!(word.identity(), Some(identity(member.sequence)));
    assert!(word.belongs_to(identity(member.sequence)));
    assert!(!word.belongs_to(identity(member.sequence % (IDENTITIES - 1) + 1)));
    assert_eq!(word.kind(), member.kind);
    assert_eq!((word.epoch().generation(), word.epoch().episode()), (member.generation, member.episode));
    assert_eq!((word.is_busy(), word.is_moving()), (state == State::Busy, state == State::Moving));
    assert_eq!(word.is_settled(), state == State::Settled);
    assert_eq!(word.is_detoured(), member.detoured);
    assert_eq!(word.is_quiet(), state == State::Settled && !member.detoured);
}

fn identity(sequence: u32) -> Identity {
    Identity::from_sequence(sequence).unwrap_or_else(|| unreachable!("the model's are never zero"))
}

fn epoch_of(member: Member) -> Epoch {
    Epoch::from_bits(member.episode * EPOCHS + member.generation)
}

fn kind_of(byte: u8) -> Kind {
    match byte % 7 {
        0 => Kind::File,
        1 => Kind::Stream,
        2 => Kind::Socket,
        3 => Kind::Pipe,
        4 => Kind::Terminal,
        5 => Kind::Channel,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_is_what_its_transitions_have_made_it(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            check(&crate::all(&mut Unstructured::new(&bytes)).unwrap_or_default());
        }
    }
}
