//! Observations: what an observer is told, as it happens.

use std::fmt;

use crate::error::RunError;
use crate::report::Report;
use crate::verdict::Verdict;

/// What happens in a run. An observer is told of all of it, in this order for each function that runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Observation<'a, N, E> {
    /// A normal function is about to run.
    Entering {
        /// Its node.
        node: N,
        /// 1 for the first attempt in a row.
        attempt: u32,
    },
    /// A rollback function is about to run, or would if the node had one.
    RollingBack {
        /// Its node.
        node: N,
    },
    /// The function has ended.
    Reported {
        /// Its node.
        node: N,
        /// What it returned, or the fault injected in place of it.
        report: &'a Report<N, E>,
    },
    /// The node's policy, or the default one, has answered.
    Judged {
        /// Whose policy it was.
        node: N,
        /// The answer.
        verdict: Verdict<N>,
    },
    /// The run is over.
    Ended(Result<(), &'a RunError<N, E>>),
}

/// Tells `tracing`; nobody without the feature.
#[cfg_attr(not(feature = "tracing"), allow(clippy::missing_const_for_fn, unused_variables))]
#[inline]
pub(crate) fn trace<N: fmt::Debug, E: fmt::Debug>(observation: &Observation<'_, N, E>) {
    #[cfg(feature = "tracing")]
    match observation {
        Observation::Entering { node, attempt } => {
            tracing::debug!(target: "ha::checkpoint", ?node, attempt, "entering");
        }
        Observation::RollingBack { node } => tracing::debug!(target: "ha::checkpoint", ?node, "rolling back"),
        Observation::Reported { node, report } => {
            tracing::debug!(target: "ha::checkpoint", ?node, ?report, "reported");
        }
        Observation::Judged { node, verdict } => {
            tracing::debug!(target: "ha::checkpoint", ?node, ?verdict, "judged");
        }
        Observation::Ended(Ok(())) => tracing::debug!(target: "ha::checkpoint", "finished"),
        Observation::Ended(Err(error)) => tracing::warn!(target: "ha::checkpoint", ?error, "ended"),
    }
}
