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

#[cfg(feature = "tracing")]
#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use crate::{Function, Next, Node, Sequence};

    /// Keeps what it is told, line by line.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<String>>);

    struct Line<'a>(&'a mut String);

    impl Visit for Line<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "ha::checkpoint"
        }

        fn event(&self, event: &Event<'_>) {
            let mut lines = self.0.lock().unwrap();
            write!(lines, "{}", event.metadata().level()).unwrap();
            event.record(&mut Line(&mut lines));
            lines.push('\n');
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn tracing_is_told_everything_in_order() {
        let mut sequence = Sequence::new([Node::<u8, (), &str>::new(1, |(), _| Ok(Next::To(2)))]).unwrap();
        sequence.inject(Function::Normal, 1, 1, "broken").unwrap();
        let lines = Lines::default();
        tracing::subscriber::with_default(lines.clone(), || {
            sequence.run(&mut (), 1).unwrap_err();
            Sequence::new([Node::<u8, (), &str>::new(1, |(), _| Ok(Next::Finish))]).unwrap().run(&mut (), 1).unwrap();
        });
        let expected = "\
DEBUG message=entering node=1 attempt=1
DEBUG message=reported node=1 report=NormalFail(\"broken\")
DEBUG message=judged node=1 verdict=Retry
DEBUG message=rolling back node=1
DEBUG message=reported node=1 report=RollBackSuccess(To(1))
DEBUG message=judged node=1 verdict=GoTo(1)
DEBUG message=entering node=1 attempt=2
DEBUG message=reported node=1 report=NormalSuccess(To(2))
DEBUG message=judged node=1 verdict=GoTo(2)
WARN message=ended error=NoSuchNode { node: 2 }
DEBUG message=entering node=1 attempt=1
DEBUG message=reported node=1 report=NormalSuccess(Finish)
DEBUG message=judged node=1 verdict=Finish
DEBUG message=finished
";
        assert_eq!(*lines.0.lock().unwrap(), expected);
    }
}
