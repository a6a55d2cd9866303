//! What tracing is told. A process of its own: which events are wanted is remembered for all threads of a process, and a
//! thread without a subscriber that comes to an event first has it remembered as unwanted.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use ha_checkpoint::{Function, Next, Node, Sequence};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

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
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    sequence.run(&mut (), 1).unwrap_err();
    Sequence::new([Node::<u8, (), &str>::new(1, |(), _| Ok(Next::Finish))]).unwrap().run(&mut (), 1).unwrap();
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
