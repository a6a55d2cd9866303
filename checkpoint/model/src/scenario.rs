//! What a run is made of.

use arbitrary::{Arbitrary, Unstructured};

/// Nodes that a scenario has at the most.
const NODES: u8 = 6;

/// Nodes, and what comes one after the other while they run. When there is nothing more to come, functions succeed and
/// finish the run, and policies answer as the default one does.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where the run begins.
    pub start: Name,
    /// At which failure in a row the default policy goes back.
    pub attempts: u32,
    /// The nodes, named by their position.
    pub nodes: Vec<Shape>,
    /// What functions do: each that runs takes one.
    pub turns: Vec<Turn>,
    /// What policies answer: each that is asked takes one; `None` is what the default policy answers.
    pub answers: Vec<Option<Answer>>,
    /// Calls that fail in place of running.
    pub faults: Vec<Fault>,
}

/// Which functions a node has besides its normal one.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Shape {
    /// A rollback function.
    pub rollback: bool,
    /// A policy.
    pub policy: bool,
}

/// What a function does.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The checkpoint that it sets; `Some(None)` clears it.
    pub checkpoint: Option<Option<u8>>,
    /// What it reports.
    pub report: Reported,
}

/// What is reported.
#[derive(Clone, Copy, Debug)]
pub enum Reported {
    /// Success, and the next node.
    To(Name),
    /// Success, and the end.
    Finish,
    /// Failure.
    Fail,
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Roll back; at the limit the previous node.
    Retry,
    /// Roll back the current node.
    Current,
    /// Roll back the previous node.
    Previous,
    /// Go to this node.
    GoTo(Name),
    /// End well.
    Finish,
    /// End badly.
    Fail,
}

/// The call of a node's function, counted from 1, that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which node.
    pub node: Name,
    /// Its rollback function, or its normal one.
    pub rollback: bool,
    /// Which call.
    pub call: u32,
}

/// The name of a node, which may not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub u8);

impl Scenario {
    /// Its nodes.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (Name, Shape)> {
        (0..NODES).map(Name).zip(self.nodes.iter().copied())
    }

    /// What a node has; `None` if there is no such node.
    pub(crate) fn shape(&self, name: Name) -> Option<Shape> {
        self.nodes.get(usize::from(name.0)).copied()
    }
}

/// All bytes are used; runs are long, as few things end them.
impl<'a> Arbitrary<'a> for Scenario {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut source = Source { nodes: bytes.int_in_range(1..=NODES)?, bytes };
        let nodes = source.nodes;
        let mut scenario = Self {
            start: source.name()?,
            attempts: source.bytes.int_in_range(1..=6)?,
            nodes: (0..nodes).map(|_| Shape::arbitrary(source.bytes)).collect::<Result<_, _>>()?,
            turns: Vec::new(),
            answers: Vec::new(),
            faults: Vec::new(),
        };
        for _ in 0..source.bytes.int_in_range(0..=4)? {
            scenario.faults.push(source.fault()?);
        }
        while !source.bytes.is_empty() {
            scenario.turns.push(source.turn()?);
            scenario.answers.push(source.answer()?);
        }
        Ok(scenario)
    }
}

/// Where the parts of a scenario come from.
struct Source<'a, 'b> {
    bytes: &'b mut Unstructured<'a>,
    nodes: u8,
}

impl Source<'_, '_> {
    fn name(&mut self) -> arbitrary::Result<Name> {
        Ok(Name(match self.bytes.int_in_range(0..=63)? {
            63 => self.nodes,
            number => number % self.nodes,
        }))
    }

    fn fault(&mut self) -> arbitrary::Result<Fault> {
        Ok(Fault { node: self.name()?, rollback: self.bytes.arbitrary()?, call: self.bytes.int_in_range(1..=6)? })
    }

    fn turn(&mut self) -> arbitrary::Result<Turn> {
        let checkpoint = match self.bytes.int_in_range(0..=7)? {
            0 => Some(None),
            1 | 2 => None,
            value => Some(Some(value)),
        };
        let report = match self.bytes.int_in_range(0..=31)? {
            0 => Reported::Finish,
            1..=15 => Reported::Fail,
            _ => Reported::To(self.name()?),
        };
        Ok(Turn { checkpoint, report })
    }

    fn answer(&mut self) -> arbitrary::Result<Option<Answer>> {
        Ok(Some(match self.bytes.int_in_range(0..=63)? {
            0 => Answer::Finish,
            1 => Answer::Fail,
            2..=9 => Answer::Retry,
            10..=19 => Answer::Current,
            20..=27 => Answer::Previous,
            28..=39 => Answer::GoTo(self.name()?),
            _ => return Ok(None),
        }))
    }
}
