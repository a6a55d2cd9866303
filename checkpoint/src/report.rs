//! Reports: what a function says it has come to.

use crate::fault::Function;
use crate::verdict::Verdict;

/// Where a function that has succeeded wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next<N> {
    /// To this node. A rollback function that names its own node asks for another attempt.
    To(N),
    /// The sequence is done.
    Finish,
}

/// What a node's policy is asked about: which function has ended, and what it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<N, E> {
    /// The normal function has succeeded.
    NormalSuccess(Next<N>),
    /// The normal function has failed.
    NormalFail(E),
    /// The rollback function has succeeded.
    RollBackSuccess(Next<N>),
    /// The rollback function has failed.
    RollBackFail(E),
}

/// A report without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// [`Report::NormalSuccess`]
    NormalSuccess,
    /// [`Report::NormalFail`]
    NormalFail,
    /// [`Report::RollBackSuccess`]
    RollBackSuccess,
    /// [`Report::RollBackFail`]
    RollBackFail,
}

impl<N, E> Report<N, E> {
    pub(crate) fn of(function: Function, result: Result<Next<N>, E>) -> Self {
        match (function, result) {
            (Function::Normal, Ok(next)) => Self::NormalSuccess(next),
            (Function::Normal, Err(error)) => Self::NormalFail(error),
            (Function::RollBack, Ok(next)) => Self::RollBackSuccess(next),
            (Function::RollBack, Err(error)) => Self::RollBackFail(error),
        }
    }

    /// Which of the four it is.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::NormalSuccess(_) => Event::NormalSuccess,
            Self::NormalFail(_) => Event::NormalFail,
            Self::RollBackSuccess(_) => Event::RollBackSuccess,
            Self::RollBackFail(_) => Event::RollBackFail,
        }
    }

    /// The error of a failure.
    #[must_use]
    pub fn error(&self) -> Option<&E> {
        match self {
            Self::NormalFail(error) | Self::RollBackFail(error) => Some(error),
            Self::NormalSuccess(_) | Self::RollBackSuccess(_) => None,
        }
    }

    pub(crate) fn into_error(self) -> Option<E> {
        match self {
            Self::NormalFail(error) | Self::RollBackFail(error) => Some(error),
            Self::NormalSuccess(_) | Self::RollBackSuccess(_) => None,
        }
    }
}

impl<N: Copy, E> Report<N, E> {
    /// The verdict of the default policy.
    ///
    /// | report | verdict |
    /// |---|---|
    /// | normal success | go to the node that it names, or finish |
    /// | normal failure | [`Verdict::Retry`]: roll back the current node, at the fifth failure in a row the previous one |
    /// | rollback success | go to the node that it names, or finish |
    /// | rollback failure | roll back the previous node at once |
    ///
    /// A policy of your own answers what it cares for and hands on the rest:
    ///
    /// ```
    /// use ha_checkpoint::{Report, Verdict};
    /// use std::io;
    ///
    /// fn policy(report: &Report<u8, io::Error>) -> Verdict<u8> {
    ///     match report {
    ///         Report::NormalFail(error) if error.kind() == io::ErrorKind::BrokenPipe => Verdict::RollBackPrevious,
    ///         _ => report.default_verdict(),
    ///     }
    /// }
    /// # assert_eq!(policy(&Report::NormalFail(io::ErrorKind::TimedOut.into())), Verdict::Retry);
    /// ```
    #[must_use]
    pub fn default_verdict(&self) -> Verdict<N> {
        match self {
            Self::NormalSuccess(Next::To(node)) | Self::RollBackSuccess(Next::To(node)) => Verdict::GoTo(*node),
            Self::NormalSuccess(Next::Finish) | Self::RollBackSuccess(Next::Finish) => Verdict::Finish,
            Self::NormalFail(_) => Verdict::Retry,
            Self::RollBackFail(_) => Verdict::RollBackPrevious,
        }
    }
}
