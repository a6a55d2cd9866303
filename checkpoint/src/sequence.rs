//! The sequence: nodes, and the one loop that drives the core.

use std::fmt;
use std::time::Duration;

use crate::error::{BuildError, RunError};
use crate::fault::{Faults, Function};
use crate::node::{Node, Sleep};
use crate::observation::{Observation, trace};
use crate::report::Report;
use crate::step::{Action, End, State, begin, step};
use crate::visit::Visit;

/// How many failures in a row make the default policy go back, unless it is told otherwise.
const ATTEMPTS: u32 = 5;

type Observer<N, E> = Box<dyn FnMut(&Observation<'_, N, E>) + Send>;

/// Nodes that are run one after another, and rolled back where they fail.
///
/// The parameters are those of [`Node`]. A sequence is run by one caller at a time, in the caller's thread; different
/// sequences know nothing of each other and may be nested: a node's function runs another one and turns its result into
/// its own. Once it is built, a run acquires no memory.
pub struct Sequence<N, C, E, K = ()> {
    /// By name. Their positions are what the core knows them by.
    nodes: Vec<Node<N, C, E, K>>,
    state: State<K>,
    faults: Faults<E>,
    watch: Watch<N, E>,
    sleep: Sleep,
}

impl<N, C, E, K> Sequence<N, C, E, K>
where
    N: Copy + Ord + fmt::Debug,
    E: fmt::Debug,
{
    /// A sequence of these nodes. Their order says nothing: what runs next is up to them.
    ///
    /// # Errors
    ///
    /// There are no nodes, or two have the same name.
    pub fn new(nodes: impl IntoIterator<Item = Node<N, C, E, K>>) -> Result<Self, BuildError<N>> {
        let mut nodes: Vec<_> = nodes.into_iter().collect();
        nodes.sort_by_key(|node| node.name);
        if nodes.is_empty() {
            return Err(BuildError::NoNodes);
        }
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(BuildError::Duplicate(pair[0].name));
        }
        let state = State::new(nodes.len(), ATTEMPTS);
        Ok(Self { nodes, state, faults: Faults::none(), watch: Watch(None), sleep: Box::new(std::thread::sleep) })
    }

    /// How often in a row a node may fail before [`Retry`](crate::Verdict::Retry) goes back: at this failure. Five unless said otherwise;
    /// 0 counts as 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.state = State::new(self.nodes.len(), attempts);
        self
    }

    /// Tells this function everything that happens, as it happens, in the thread of the run.
    #[must_use]
    pub fn observer(mut self, observer: impl FnMut(&Observation<'_, N, E>) + Send + 'static) -> Self {
        self.watch = Watch(Some(Box::new(observer)));
        self
    }

    /// Waits with this function between attempts instead of `std::thread::sleep`: to be interruptible, or not to wait in
    /// tests.
    #[must_use]
    pub fn sleeping_with(mut self, sleep: impl FnMut(Duration) + Send + 'static) -> Self {
        self.sleep = Box::new(sleep);
        self
    }

    /// Makes the `nth` call of a node's function, counted from now on, fail with this error in place of running: for tests of
    /// rollbacks. 0 counts as 1. A call that a fault takes the place of is counted by the other faults, too; so is one of a
    /// rollback function that the node does not have.
    ///
    /// # Errors
    ///
    /// [`RunError::NoSuchNode`]
    pub fn inject(&mut self, function: Function, node: N, nth: u32, error: E) -> Result<(), RunError<N, E>> {
        let node = find(&self.nodes, node)?;
        self.faults.add(function, node, nth, error);
        Ok(())
    }

    /// Runs the sequence from this node until a verdict ends it. `context` is lent to each function.
    ///
    /// A function that panics ends the run by unwinding through it; the sequence can be run again.
    ///
    /// # Errors
    ///
    /// A policy has failed the run, or gone back from the first node, or a node was named that there is not.
    pub fn run(&mut self, context: &mut C, start: N) -> Result<(), RunError<N, E>> {
        let result = self.drive(context, start);
        self.watch.tell(&Observation::Ended(result.as_ref().copied()));
        result
    }

    fn drive(&mut self, context: &mut C, start: N) -> Result<(), RunError<N, E>> {
        let mut action = begin(&mut self.state, find(&self.nodes, start)?);
        let mut name = start;
        let mut error = None;
        loop {
            let (function, position) = match action {
                Action::Normal(position) => (Function::Normal, position),
                Action::RollBack(position) => (Function::RollBack, position),
                Action::End(End::Finished) => return Ok(()),
                Action::End(End::Failed) => return Err(RunError::Failed { node: name, error }),
                Action::End(End::PastFirst) => return Err(RunError::PastFirst { node: name, error }),
                Action::End(End::NoSuchNode) => return Err(RunError::NoSuchNode { node: name }),
            };
            // There are both: the core has entered a node of the list, or gone back to one.
            let (Some(node), Some(frame)) = (self.nodes.get_mut(position), self.state.current()) else {
                return Err(RunError::NoSuchNode { node: name });
            };
            name = node.name;
            let mut visit = Visit { node: name, frame };
            self.watch.tell(&match function {
                Function::Normal => Observation::Entering { node: name, attempt: visit.attempt() },
                Function::RollBack => Observation::RollingBack { node: name },
            });
            if function == Function::Normal && visit.attempt() > 1 {
                node.wait(visit.attempt() - 1, &mut self.sleep);
            }
            let report = match self.faults.instead_of(function, position) {
                Some(error) => Report::of(function, Err(error)),
                None => Report::of(function, node.call(function, context, &mut visit)),
            };
            self.watch.tell(&Observation::Reported { node: name, report: &report });
            let verdict = node.judge(context, &report, &visit);
            self.watch.tell(&Observation::Judged { node: name, verdict });
            action = step(&mut self.state, report.event(), verdict.named(|name| find(&self.nodes, name))?);
            error = report.into_error().or(error);
        }
    }
}

/// The position of the node of this name.
fn find<N: Copy + Ord, C, E, K>(nodes: &[Node<N, C, E, K>], name: N) -> Result<usize, RunError<N, E>> {
    nodes.binary_search_by_key(&name, |node| node.name).map_err(|_| RunError::NoSuchNode { node: name })
}

/// Who watches.
struct Watch<N, E>(Option<Observer<N, E>>);

impl<N: fmt::Debug, E: fmt::Debug> Watch<N, E> {
    #[inline]
    fn tell(&mut self, observation: &Observation<'_, N, E>) {
        trace(observation);
        if let Some(observer) = &mut self.0 {
            observer(observation);
        }
    }
}

impl<N: fmt::Debug, C, E, K> fmt::Debug for Sequence<N, C, E, K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visited = self.state.frames().iter().filter_map(|frame| self.nodes.get(frame.node()));
        let visited: Vec<_> = visited.map(|node| &node.name).collect();
        out.debug_struct("Sequence").field("nodes", &self.nodes).field("visited", &visited).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
