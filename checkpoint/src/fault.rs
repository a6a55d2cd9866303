//! Faults: failures that a test wants to see, in place of calls.

/// Which of a node's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// The one that does the work.
    Normal,
    /// The one that undoes it.
    RollBack,
}

/// The faults that are still to come.
#[derive(Debug)]
pub(crate) struct Faults<E>(Vec<Fault<E>>);

#[derive(Debug)]
struct Fault<E> {
    function: Function,
    node: usize,
    /// Calls until it is due, that one included.
    calls: u32,
    error: E,
}

impl<E> Faults<E> {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, function: Function, node: usize, calls: u32, error: E) {
        self.0.push(Fault { function, node, calls: calls.max(1), error });
    }

    /// Counts a call that is about to be made; the error with which it is to fail instead.
    #[inline]
    pub(crate) fn instead_of(&mut self, function: Function, node: usize) -> Option<E> {
        if self.0.is_empty() { None } else { self.count(function, node) }
    }

    #[cold]
    fn count(&mut self, function: Function, node: usize) -> Option<E> {
        for fault in self.0.iter_mut().filter(|fault| fault.function == function && fault.node == node) {
            fault.calls = fault.calls.saturating_sub(1);
        }
        let due = self.0.iter().position(|fault| fault.calls == 0)?;
        Some(self.0.remove(due).error)
    }
}
