//! The visit: what a node's functions see of the run, and where they record how far they got.

use crate::step::Frame;

/// One node's visit, lent to its functions.
///
/// It holds the *checkpoint*: what the visit has reached, in values of your own, usually an enum of what is to be undone.
/// Each visit begins without one. Normal and rollback functions set it, so that a rollback that fails half-way leaves
/// behind what is still to be undone; the rollback function of the visit finds it, whenever that comes to run.
#[derive(Debug)]
pub struct Visit<'a, N, K> {
    pub(crate) node: N,
    pub(crate) frame: &'a mut Frame<K>,
}

impl<N: Copy, K> Visit<'_, N, K> {
    /// The node that is visited.
    #[must_use]
    pub fn node(&self) -> N {
        self.node
    }

    /// 1 for the first attempt; one more each time the normal function is entered again before it has succeeded.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.frame.attempt()
    }

    /// The last checkpoint of this visit; `None` when nothing was acquired, or all of it given back.
    #[must_use]
    pub fn reached(&self) -> Option<&K> {
        self.frame.checkpoint.as_ref()
    }

    /// Records how far the running function has got. The last value counts.
    pub fn checkpoint(&mut self, reached: K) {
        self.frame.checkpoint = Some(reached);
    }

    /// Records that there is nothing to undo.
    pub fn clear(&mut self) {
        self.frame.checkpoint = None;
    }
}
