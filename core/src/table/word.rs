//! The word: everything the success path needs to know about a number, in one load.
//!
//! ```text
//!  63         49 48         34 33                   8 7        6    4 3      2      1    0
//! +-------------+-------------+----------------------+--------+------+------+------+----+-------+
//! |   episode   | generation  |       identity       |RESERVED| kind |DETOUR|MOVING|BUSY|COVERED|
//! +-------------+-------------+----------------------+--------+------+------+------+----+-------+
//!     15 bits       15 bits          26 bits
//! ```
//!
//! | bit | set means |
//! |---|---|
//! | COVERED | the number is a member of the connection `identity` |
//! | BUSY | an episode is open: do not call, go to the gate |
//! | MOVING | the transplant of this number is under way |
//! | DETOUR | this connection wants to see successful calls too |
//! | RESERVED | somebody is publishing or unlinking the entry; to everyone else the number is not covered |
//!
//! A word of zero is a number that libha has nothing to do with.
//!
//! # Wrap-around
//!
//! * *Generation* and *episode* are compared for equality only, by a call that captured them before it was issued.
//!   To be fooled, one call would have to sleep across exactly 2^15 episodes of its connection. It would then take
//!   its stale failure for a fresh one, and the cost is one recovery that was not needed.
//! * *Identity* is given out in turn. To be fooled, one call would have to sleep across 2^26 attachments, the last of
//!   them to its own number.

use std::fmt;

const COVERED: u64 = 1 << 0;
const BUSY: u64 = 1 << 1;
const MOVING: u64 = 1 << 2;
const DETOUR: u64 = 1 << 3;
const KIND_SHIFT: u32 = 4;
const KIND_BITS: u32 = 3;
const RESERVED: u64 = 1 << (KIND_SHIFT + KIND_BITS);
const IDENTITY_SHIFT: u32 = KIND_SHIFT + KIND_BITS + 1;
const IDENTITY_BITS: u32 = 26;
const EPOCH_SHIFT: u32 = IDENTITY_SHIFT + IDENTITY_BITS;

const _: () = assert!(EPOCH_SHIFT + Epoch::BITS == u64::BITS, "the fields fill the word");

const fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

/// What kind of description a number stands for. Death shows differently for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file, a directory or a block device.
    File = 0,
    /// A terminal or another character device.
    Terminal = 1,
    /// A connection of the message passing, known by its connection id.
    Channel = 2,
    /// Anything else: eventfd, timerfd, epoll.
    Other = 3,
    /// A stream socket.
    Stream = PEER,
    /// Any other socket: datagram, seqpacket, raw.
    Socket = PEER | 1,
    /// A pipe or FIFO.
    Pipe = PEER | 2,
}

/// Set in the kinds whose descriptions have a peer, so that a write may raise SIGPIPE.
const PEER: u8 = 1 << (KIND_BITS - 1);

impl Kind {
    const fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::File,
            1 => Self::Terminal,
            2 => Self::Channel,
            4 => Self::Stream,
            5 => Self::Socket,
            6 => Self::Pipe,
            _ => Self::Other,
        }
    }

    /// A socket of any type.
    #[must_use]
    pub fn is_socket(self) -> bool {
        matches!(self, Self::Stream | Self::Socket)
    }
}

/// Which connection a word belongs to: never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity(u32);

impl Identity {
    /// The identity with this sequence number; sequence numbers wrap, zero is left out.
    pub(crate) fn from_sequence(sequence: u32) -> Option<Self> {
        match sequence & mask(IDENTITY_BITS) {
            0 => None,
            value => Some(Self(value)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "#{}", self.0)
    }
}

/// How far a connection has come: its generation (successful recoveries) and its episode number (verdicts), each
/// modulo 2^15. The pair tells a caller what has happened since it looked: a new generation means "recovered, try
/// again"; the same generation with a new episode means "given up".
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epoch(u32);

impl Epoch {
    const FIELD_BITS: u32 = 15;
    pub(crate) const BITS: u32 = 2 * Self::FIELD_BITS;

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & mask(Self::BITS))
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn generation(self) -> u32 {
        self.0 & mask(Self::FIELD_BITS)
    }

    pub(crate) const fn episode(self) -> u32 {
        self.0 >> Self::FIELD_BITS
    }

    const fn new(generation: u32, episode: u32) -> Self {
        Self((episode & mask(Self::FIELD_BITS)) << Self::FIELD_BITS | (generation & mask(Self::FIELD_BITS)))
    }

    /// The epoch after a successful recovery.
    #[must_use]
    pub(crate) const fn after_recovery(self) -> Self {
        Self::new(self.generation() + 1, self.episode() + 1)
    }

    /// The epoch after an episode that was given up.
    #[must_use]
    pub(crate) const fn after_giving_up(self) -> Self {
        Self::new(self.generation(), self.episode() + 1)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "generation {} episode {}", self.generation(), self.episode())
    }
}

/// A copy of a slot's word. See the [module](self) for its layout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const RESERVED: Self = Self(RESERVED);
    /// In no slot: the answer of who has not looked. It seems covered, never quiet, and belongs to nobody.
    pub(crate) const UNKNOWN: Self = Self(COVERED | DETOUR);

    /// The word of a member in peace.
    pub(crate) const fn live(identity: Identity, kind: Kind, epoch: Epoch) -> Self {
        Self(
            COVERED
                | (kind as u64) << KIND_SHIFT
                | (identity.0 as u64) << IDENTITY_SHIFT
                | (epoch.bits() as u64) << EPOCH_SHIFT,
        )
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the call may be issued at once: no episode, no transplant, nobody who wants to see it.
    #[inline]
    pub(crate) const fn is_quiet(self) -> bool {
        self.0 & (BUSY | MOVING | DETOUR) == 0
    }

    /// Whether a write may be issued at once and as it is: [`is_quiet`](Self::is_quiet), and it cannot raise SIGPIPE.
    #[inline]
    pub(crate) const fn is_quiet_to_write(self) -> bool {
        self.0 & (BUSY | MOVING | DETOUR | (PEER as u64) << KIND_SHIFT) == 0
    }

    /// The same of a covered number only: of any other one nobody knows what it stands for.
    #[inline]
    pub(crate) const fn is_covered_and_quiet_to_write(self) -> bool {
        self.0 & (COVERED | BUSY | MOVING | DETOUR | (PEER as u64) << KIND_SHIFT) == COVERED
    }

    #[inline]
    pub(crate) const fn is_covered(self) -> bool {
        self.0 & COVERED != 0
    }

    pub(crate) const fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    pub(crate) const fn is_moving(self) -> bool {
        self.0 & MOVING != 0
    }

    pub(crate) const fn kind(self) -> Kind {
        Kind::from_bits(self.0 >> KIND_SHIFT & mask(KIND_BITS) as u64)
    }

    pub(crate) fn identity(self) -> Option<Identity> {
        let value = (self.0 >> IDENTITY_SHIFT) as u32 & mask(IDENTITY_BITS);
        (self.is_covered() && value != 0).then_some(Identity(value))
    }

    pub(crate) const fn epoch(self) -> Epoch {
        Epoch::from_bits((self.0 >> EPOCH_SHIFT) as u32)
    }

    pub(crate) fn belongs_to(self, identity: Identity) -> bool {
        self.identity() == Some(identity)
    }

    /// Every call on this number is to leave the success path.
    #[must_use]
    pub(crate) const fn detoured(self) -> Self {
        Self(self.0 | DETOUR)
    }

    /// Whether no episode is open and no transplant under way.
    pub(crate) const fn is_settled(self) -> bool {
        self.0 & (BUSY | MOVING) == 0
    }

    pub(crate) const fn is_detoured(self) -> bool {
        self.0 & DETOUR != 0
    }

    /// An episode has been opened.
    #[must_use]
    pub(crate) const fn busy(self) -> Self {
        Self(self.0 | BUSY)
    }

    /// The transplant of this number begins.
    #[must_use]
    pub(crate) const fn moving(self) -> Self {
        Self(self.0 & !BUSY | MOVING)
    }

    /// The episode is over for this number, at `epoch`.
    #[must_use]
    pub(crate) const fn settled(self, epoch: Epoch) -> Self {
        let kept = self.0 & !(BUSY | MOVING) & ((1 << EPOCH_SHIFT) - 1);
        Self(kept | (epoch.bits() as u64) << EPOCH_SHIFT)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(identity) = self.identity() else {
            return out.write_str(if *self == Self::NONE { "not covered" } else { "reserved" });
        };
        write!(out, "{identity:?} {:?} {:?}", self.kind(), self.epoch())?;
        for (set, name) in [(self.is_busy(), " BUSY"), (self.is_moving(), " MOVING"), (self.is_detoured(), " DETOUR")] {
            if set {
                out.write_str(name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        (0..7u64).prop_map(Kind::from_bits)
    }

    proptest! {
        #[test]
        fn every_field_comes_back(sequence in 1..=mask(IDENTITY_BITS), kind in kinds(), epoch in 0..=mask(Epoch::BITS)) {
            let identity = Identity::from_sequence(sequence).unwrap();
            let epoch = Epoch::from_bits(epoch);
            let word = Word::live(identity, kind, epoch);
            prop_assert_eq!(word.identity(), Some(identity));
            prop_assert_eq!(word.kind(), kind);
            prop_assert_eq!(word.epoch(), epoch);
            prop_assert!(word.is_covered() && word.is_quiet() && !word.is_busy() && !word.is_moving());
            prop_assert_eq!(word.is_quiet_to_write(), !kind.is_socket() && kind != Kind::Pipe);
            prop_assert_eq!(word.is_covered_and_quiet_to_write(), word.is_quiet_to_write());
        }

        #[test]
        fn an_episode_leaves_identity_and_kind_alone(sequence in 1..=mask(IDENTITY_BITS), kind in kinds(), epoch in 0..=mask(Epoch::BITS)) {
            let identity = Identity::from_sequence(sequence).unwrap();
            let before = Epoch::from_bits(epoch);
            let word = Word::live(identity, kind, before);
            prop_assert!(!word.busy().is_quiet() && word.busy().is_busy());
            prop_assert!(!word.busy().moving().is_quiet() && !word.busy().moving().is_busy());
            let after = before.after_recovery();
            prop_assert_eq!(word.busy().moving().settled(after), Word::live(identity, kind, after));
        }

        #[test]
        fn recovery_moves_both_counts_and_giving_up_only_the_episode(bits in 0..=mask(Epoch::BITS)) {
            let epoch = Epoch::from_bits(bits);
            let next = |count: u32| (count + 1) & mask(Epoch::FIELD_BITS);
            prop_assert_eq!(epoch.after_recovery().generation(), next(epoch.generation()));
            prop_assert_eq!(epoch.after_recovery().episode(), next(epoch.episode()));
            prop_assert_eq!(epoch.after_giving_up().generation(), epoch.generation());
            prop_assert_eq!(epoch.after_giving_up().episode(), next(epoch.episode()));
        }
    }

    #[test]
    fn nothing_is_neither_covered_nor_in_the_way() {
        for word in [Word::NONE, Word::RESERVED] {
            assert!(!word.is_covered() && word.is_quiet() && !word.is_covered_and_quiet_to_write());
            assert_eq!(word.identity(), None);
        }
    }

    #[test]
    fn who_has_not_looked_leaves_the_success_path() {
        assert!(Word::UNKNOWN.is_covered() && !Word::UNKNOWN.is_quiet() && !Word::UNKNOWN.is_quiet_to_write());
        assert_eq!(Word::UNKNOWN.identity(), None);
    }

    #[test]
    fn identities_skip_zero_when_they_wrap() {
        assert_eq!(Identity::from_sequence(0), None);
        assert_eq!(Identity::from_sequence(1 << IDENTITY_BITS), None);
        assert_eq!(Identity::from_sequence((1 << IDENTITY_BITS) + 1), Identity::from_sequence(1));
    }
}
