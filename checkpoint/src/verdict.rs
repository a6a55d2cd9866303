//! Verdicts: what a policy answers to a report.

/// What is to happen after a report. Any verdict may follow any report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict<N> {
    /// Count a failure of the current node and roll it back; at the fifth in a row
    /// ([`Sequence::attempts`](crate::Sequence::attempts)) roll back the previous one instead. What the default policy
    /// answers to a failed normal function; failures answered otherwise are not counted.
    Retry,
    /// Run the rollback function of the current node, however often it has failed. A rollback function that then names its
    /// own node retries for ever.
    RollBackCurrent,
    /// Leave the current node without running its rollback function, and run that of the node which ran before it. From the
    /// first node this ends the run with [`RunError::PastFirst`](crate::RunError::PastFirst).
    RollBackPrevious,
    /// Run the normal function of this node. If it has been visited before and not left backwards, all nodes visited since
    /// are forgotten, their rollback functions with them.
    GoTo(N),
    /// End the run with success.
    Finish,
    /// End the run with [`RunError::Failed`](crate::RunError::Failed); no rollback function runs.
    Fail,
}

impl<N> Verdict<N> {
    /// The same verdict with the node named otherwise; an error when that has no name there.
    pub(crate) fn named<M, Unknown>(self, name: impl FnOnce(N) -> Result<M, Unknown>) -> Result<Verdict<M>, Unknown> {
        Ok(match self {
            Self::Retry => Verdict::Retry,
            Self::RollBackCurrent => Verdict::RollBackCurrent,
            Self::RollBackPrevious => Verdict::RollBackPrevious,
            Self::GoTo(node) => Verdict::GoTo(name(node)?),
            Self::Finish => Verdict::Finish,
            Self::Fail => Verdict::Fail,
        })
    }
}
