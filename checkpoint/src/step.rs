//! The core: what happens next, from the stack, what was reported, and the verdict on it. No function of a client runs here.
//!
//! A node is its position in the node list here. [`Sequence::run`](crate::Sequence::run) is the one loop that does what
//! [`step`] says; a driver of your own (an event loop, a simulation) is as good:
//!
//! ```
//! use ha_checkpoint::step::{Action, State, begin, step};
//! use ha_checkpoint::{Event, Verdict};
//!
//! let mut state = State::<()>::new(2, 5);
//! assert_eq!(begin(&mut state, 0), Action::Normal(0));
//! assert_eq!(step(&mut state, Event::NormalSuccess, Verdict::GoTo(1)), Action::Normal(1));
//! assert_eq!(step(&mut state, Event::NormalFail, Verdict::RollBackPrevious), Action::RollBack(0));
//! ```
//!
//! # The stack
//!
//! One frame per node that was entered and not left backwards, in the order of entering; the top one is current.
//!
//! * No node has two frames: going to a node that has one takes away all frames above it, so that a loop over the same
//!   nodes does not grow the stack, and "previous" is never the node itself. The rollback functions of nodes that are
//!   taken away so do not run.
//! * A frame holds what its visit has reached (the checkpoint). Entering the node clears that.
//! * Going back takes away the current frame without running its node's rollback function, and runs that of the previous
//!   node with what *its* frame holds. Rolling back the current node first is what `RollBackCurrent` is for.

use crate::report::Event;
use crate::verdict::Verdict;

/// What is to be done next. Positions are those of nodes in the node list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run the normal function of this node: the top frame is its.
    Normal(usize),
    /// Run the rollback function of this node: the top frame is its.
    RollBack(usize),
    /// Nothing: the run is over.
    End(End),
}

/// How a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A verdict has finished it.
    Finished,
    /// A verdict has failed it.
    Failed,
    /// A verdict went back from the first node.
    PastFirst,
    /// A verdict went to a node that there is not.
    NoSuchNode,
}

/// One node's visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<K> {
    node: usize,
    /// What the visit has reached; `None` when it has acquired nothing.
    pub checkpoint: Option<K>,
    attempt: u32,
    failures: u32,
}

impl<K> Frame<K> {
    /// Position of the node.
    #[must_use]
    pub fn node(&self) -> usize {
        self.node
    }

    /// How often the normal function was entered since it last succeeded, or since the node was arrived at.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The node has done its work, or is left: what comes after is another row of attempts.
    fn begin_anew(&mut self) {
        self.attempt = 0;
        self.failures = 0;
    }
}

/// Where a run stands. Its memory is acquired by [`State::new`]; nothing allocates afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<K> {
    /// Never more than there are nodes.
    frames: Vec<Frame<K>>,
    /// By node: where its frame is.
    depths: Box<[Option<usize>]>,
    limit: u32,
}

impl<K> State<K> {
    /// A state for this many nodes, in which [`Verdict::Retry`] goes back at the `limit`-th failure in a row.
    #[must_use]
    pub fn new(nodes: usize, limit: u32) -> Self {
        Self { frames: Vec::with_capacity(nodes), depths: vec![None; nodes].into(), limit }
    }

    /// The frames, the current one last.
    #[must_use]
    pub fn frames(&self) -> &[Frame<K>] {
        &self.frames
    }

    /// The frame of the current node, for what its functions record. `None` before [`begin`], and after going back from the
    /// first node.
    pub fn current(&mut self) -> Option<&mut Frame<K>> {
        self.frames.last_mut()
    }

    fn enter(&mut self, node: usize) -> Action {
        let Some(&depth) = self.depths.get(node) else { return Action::End(End::NoSuchNode) };
        match depth {
            Some(depth) if depth + 1 == self.frames.len() => {}
            Some(depth) => self.unwind(depth + 1),
            None => self.push(node),
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.checkpoint = None;
            frame.attempt = frame.attempt.saturating_add(1);
        }
        Action::Normal(node)
    }

    /// Goes on to a node that has no frame.
    fn push(&mut self, node: usize) {
        if let Some(left) = self.frames.last_mut() {
            left.begin_anew();
        }
        self.depths[node] = Some(self.frames.len());
        self.frames.push(Frame { node, checkpoint: None, attempt: 0, failures: 0 });
    }

    /// Takes away all frames but the first `kept`.
    fn unwind(&mut self, kept: usize) {
        for frame in self.frames.drain(kept..) {
            self.depths[frame.node] = None;
        }
    }

    fn go_back(&mut self) -> Action {
        self.unwind(self.frames.len().saturating_sub(1));
        self.roll_back()
    }

    fn roll_back(&self) -> Action {
        self.frames.last().map_or(Action::End(End::PastFirst), |frame| Action::RollBack(frame.node))
    }

    fn retry(&mut self) -> Action {
        let Some(frame) = self.frames.last_mut() else { return Action::End(End::PastFirst) };
        frame.failures = frame.failures.saturating_add(1);
        if frame.failures < self.limit { self.roll_back() } else { self.go_back() }
    }
}

/// Begins a run at this node, whatever the state was.
pub fn begin<K>(state: &mut State<K>, node: usize) -> Action {
    state.unwind(0);
    state.enter(node)
}

/// What a verdict on what the current node has reported leads to.
///
/// It is defined for every state and every argument: going to a position that there is not ends the run.
pub fn step<K>(state: &mut State<K>, event: Event, verdict: Verdict<usize>) -> Action {
    if event == Event::NormalSuccess
        && let Some(frame) = state.current()
    {
        frame.begin_anew();
    }
    match verdict {
        Verdict::Retry => state.retry(),
        Verdict::RollBackCurrent => state.roll_back(),
        Verdict::RollBackPrevious => state.go_back(),
        Verdict::GoTo(node) => state.enter(node),
        Verdict::Finish => Action::End(End::Finished),
        Verdict::Fail => Action::End(End::Failed),
    }
}

#[cfg(test)]
mod tests;
