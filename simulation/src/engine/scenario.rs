//! What happens to connections, and what their recovery functions answer.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use rustix::io::Errno;

/// A policy, limits, and a sequence of events.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Also the seed of the jitter.
    pub seed: u64,
    /// How many connections there are.
    pub connections: Connections,
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
    /// Episodes in a connection's life.
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
    /// A call on one of the members of a connection.
    Write(Chosen, Chosen, Faults),
    /// The server cuts a connection.
    Die(Chosen),
    /// The server cuts all of them.
    Restart,
    /// Time goes by.
    Pass(Milliseconds),
    /// A member of a connection is copied.
    Duplicate(Chosen, Chosen),
    /// A member of a connection leaves and is closed; the last one stays.
    Close(Chosen, Chosen),
    /// The counts begin anew.
    Forgive(Chosen),
    /// What a recovery function will answer: what is asked for first, is given first.
    Answer(Answer),
}

/// One of those that there are.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen(pub u8);

impl Chosen {
    /// Its index among `count`.
    #[must_use]
    pub fn of(self, count: usize) -> usize {
        usize::from(self.0) % count
    }
}

/// What the kernel says to a call the first times that it is issued; after that, what is true.
#[derive(Arbitrary, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub [Option<Fault>; 3]);

/// An error that the kernel gives.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer has reset the connection.
    Reset,
    /// The network has given up.
    TimedOut,
    /// The host cannot be reached.
    Unreachable,
    /// Not now.
    WouldBlock,
    /// A signal handler has run.
    Interrupted,
    /// Out of memory.
    NoBuffers,
    /// The caller's own mistake.
    Invalid,
    /// The caller's own mistake.
    TooLong,
}

impl Fault {
    pub(super) fn errno(self) -> Errno {
        match self {
            Self::Reset => Errno::CONNRESET,
            Self::TimedOut => Errno::TIMEDOUT,
            Self::Unreachable => Errno::HOSTUNREACH,
            Self::WouldBlock => Errno::AGAIN,
            Self::Interrupted => Errno::INTR,
            Self::NoBuffers => Errno::NOBUFS,
            Self::Invalid => Errno::INVAL,
            Self::TooLong => Errno::MSGSIZE,
        }
    }

    pub(super) fn is_death(self) -> bool {
        matches!(self, Self::Reset | Self::TimedOut | Self::Unreachable)
    }
}

/// One attempt: how long it takes and how it ends.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Answer {
    /// How slow the server is.
    pub takes: Milliseconds,
    /// The function uses another connection first, which may be dead as well: the one so many after its own.
    pub uses: Option<Chosen>,
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
    /// "The old connection is back", which is right only if it never was away.
    OldIsBack,
}

/// A few, or more than the recoveries that may be nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections(pub u8);

impl Connections {
    /// More than the recoveries that may be nested.
    pub const MANY: Self = Self(10);
}

impl Arbitrary<'_> for Connections {
    fn arbitrary(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(if bytes.ratio(7, 8)? { Self(bytes.int_in_range(1..=3)?) } else { Self::MANY })
    }
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

/// Enough for connections to die and come back several times.
const EVENTS: usize = 40;
/// More than the events of a scenario can take.
const BYTES: usize = 2000;

/// Events as many as there are bytes for.
impl<'a> Arbitrary<'a> for Scenario {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let scenario = Self::without_events(bytes)?;
        Ok(Self { events: crate::all(bytes)?, ..scenario })
    }
}

impl Scenario {
    fn without_events(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        Ok(Self {
            seed: bytes.arbitrary()?,
            connections: bytes.arbitrary()?,
            deadline: bytes.arbitrary()?,
            persists: bytes.arbitrary()?,
            first_pause: bytes.arbitrary()?,
            longest_pause: bytes.arbitrary()?,
            spread: bytes.arbitrary()?,
            total: bytes.arbitrary()?,
            in_a_row: bytes.arbitrary()?,
            signals: bytes.arbitrary()?,
            events: Vec::new(),
        })
    }

    /// The scenario of this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(BYTES).collect();
        let mut bytes = Unstructured::new(&bytes);
        let scenario = Self::without_events(&mut bytes).and_then(|scenario| {
            let mut events = if scenario.connections == Connections::MANY { nested(&mut bytes)? } else { Vec::new() };
            for _ in 0..EVENTS {
                events.push(likely_event(&mut bytes)?);
            }
            Ok(Self { seed, events, ..scenario })
        });
        scenario.unwrap_or_else(|_| unreachable!("there are always enough bytes"))
    }
}

/// Every recovery function finds the next connection dead as well.
fn nested(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Event>> {
    let mut events = vec![Event::Restart];
    for _ in 0..Connections::MANY.0 {
        events.push(Event::Answer(Answer { uses: Some(Chosen(1)), ..bytes.arbitrary()? }));
    }
    events.push(Event::Write(bytes.arbitrary()?, bytes.arbitrary()?, Faults::default()));
    Ok(events)
}

/// Calls, deaths and answers are what the other events are for, and most calls meet what is true.
fn likely_event(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Event> {
    Ok(match bytes.int_in_range(0..=7)? {
        0..=2 => Event::Write(bytes.arbitrary()?, bytes.arbitrary()?, Faults::default()),
        3 => Event::Die(bytes.arbitrary()?),
        4 | 5 => Event::Answer(bytes.arbitrary()?),
        _ => bytes.arbitrary()?,
    })
}
