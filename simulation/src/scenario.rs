//! What happens to a connection, and what its recovery function answers.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};

/// A policy, limits, and a sequence of events.
#[derive(Arbitrary, Clone, Debug)]
pub struct Scenario {
    /// Also the seed of the jitter.
    pub seed: u64,
    /// None: as long as the recovery function takes.
    pub deadline: Option<Milliseconds>,
    /// Whether a failed attempt is followed by another one.
    pub persists: bool,
    /// Of the backoff.
    pub first_pause: Milliseconds,
    /// Of the backoff.
    pub longest_pause: Milliseconds,
    /// Within which the first attempt begins.
    pub spread: Milliseconds,
    /// Episodes in the connection's life.
    pub total: Limit,
    /// Episodes in a row.
    pub in_a_row: Limit,
    /// When signal handlers without SA_RESTART run, each so long after the one before.
    pub signals: Vec<Milliseconds>,
    /// In their order.
    pub events: Vec<Event>,
}

/// What happens next.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Event {
    /// A call on one of the members.
    Write(u8),
    /// The server cuts the connection.
    Die,
    /// Time goes by.
    Pass(Milliseconds),
    /// A member is copied.
    Duplicate(u8),
    /// A member leaves and is closed; the last one stays.
    Close(u8),
    /// The counts begin anew.
    Forgive,
    /// What the recovery function will answer: what is asked for first, is given first.
    Answer(Answer),
}

/// One attempt: how long it takes and how it ends.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Answer {
    /// How slow the server is.
    pub takes: Milliseconds,
    /// What the function returns then.
    pub end: End,
}

/// How an attempt ends.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a new connection.
    Connected,
    /// With a new connection that dies at once.
    ConnectedAndDied,
    /// "Try again".
    Again,
    /// "Do not try again".
    Final,
    /// With a panic.
    Panic,
    /// With a descriptor that is no socket.
    WrongKind,
    /// "The old connection is back", and it is not.
    StillDead,
}

/// Up to 300 ms, or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milliseconds(pub u16);

impl Arbitrary<'_> for Milliseconds {
    fn arbitrary(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(Self(if bytes.ratio(1, 4)? { 0 } else { bytes.int_in_range(1..=300)? }))
    }
}

impl Milliseconds {
    /// The same as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

/// Unlimited, or few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<u8>);

impl Arbitrary<'_> for Limit {
    fn arbitrary(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(Self(if bytes.ratio(2, 3)? { None } else { Some(bytes.int_in_range(0..=4)?) }))
    }
}

impl Limit {
    /// As the C API says it: -1 for unlimited.
    #[must_use]
    pub fn as_c(self) -> i32 {
        self.0.map_or(-1, i32::from)
    }

    /// Whether another episode may follow `count` of them.
    #[must_use]
    pub fn allows(self, count: u32) -> bool {
        self.0.is_none_or(|limit| count < u32::from(limit))
    }
}

/// Enough for a connection to die and come back several times.
const EVENTS: usize = 40;
/// More than the events of a scenario can take.
const BYTES: usize = 1000;

impl Scenario {
    /// The scenario of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(BYTES).collect();
        let mut bytes = Unstructured::new(&bytes);
        // A call or a death is what the other events are for.
        let event = |bytes: &mut Unstructured<'_>| match bytes.int_in_range(0..=5)? {
            0 | 1 => bytes.arbitrary().map(Event::Write),
            2 => Ok(Event::Die),
            3 => bytes.arbitrary().map(Event::Answer),
            _ => bytes.arbitrary(),
        };
        let scenario = Self::arbitrary(&mut bytes).and_then(|scenario| {
            let events = (0..EVENTS).map(|_| event(&mut bytes)).collect::<Result<_, _>>()?;
            Ok(Self { seed, events, ..scenario })
        });
        scenario.unwrap_or_else(|_| unreachable!("there are always enough bytes"))
    }
}
