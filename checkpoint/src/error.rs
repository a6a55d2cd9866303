//! What can be wrong with a node list, and how a run can end other than well.

use std::error::Error;
use std::fmt;

/// Why a node list makes no sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError<N> {
    /// The list is empty: a sequence needs a node to begin with.
    NoNodes,
    /// Two nodes have this name: give each a name of its own.
    Duplicate(N),
}

impl<N: fmt::Debug> fmt::Display for BuildError<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodes => write!(out, "a sequence needs at least one node"),
            Self::Duplicate(node) => write!(out, "two nodes are named {node:?}; each needs a name of its own"),
        }
    }
}

impl<N: fmt::Debug> Error for BuildError<N> {}

/// Why a run has not finished. What was rolled back, and what not, is as the verdicts said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError<N, E> {
    /// A policy has failed the run at this node.
    Failed {
        /// Whose policy it was.
        node: N,
        /// The last failure of the run, if there was one.
        error: Option<E>,
    },
    /// A policy went back from the first node: all has been rolled back, and there is nothing left to try.
    PastFirst {
        /// The node that had none before it.
        node: N,
        /// The last failure of the run, if there was one.
        error: Option<E>,
    },
    /// The run was to go to a node that is not in the list: name another, or add it.
    NoSuchNode {
        /// The name.
        node: N,
    },
}

impl<N, E> RunError<N, E> {
    /// The last failure before the run ended, if one was reported.
    #[must_use]
    pub fn failure(&self) -> Option<&E> {
        match self {
            Self::Failed { error, .. } | Self::PastFirst { error, .. } => error.as_ref(),
            Self::NoSuchNode { .. } => None,
        }
    }
}

impl<N: fmt::Debug, E: fmt::Display> fmt::Display for RunError<N, E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { node, .. } => write!(out, "the policy of node {node:?} has failed the sequence")?,
            Self::PastFirst { node, .. } => write!(out, "rolled back past {node:?}, the first node")?,
            Self::NoSuchNode { node } => write!(out, "there is no node {node:?} to go to")?,
        }
        self.failure().map_or(Ok(()), |error| write!(out, ": {error}"))
    }
}

impl<N: fmt::Debug, E: Error + 'static> Error for RunError<N, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure().map(|error| error as _)
    }
}
