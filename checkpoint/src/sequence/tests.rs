use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{BuildError, Function, Next, Node, Observation, Report, RunError, Sequence, Verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    Read,
    Check,
    Missing,
}
use Step::{Check, Missing, Open, Read};

type Error = &'static str;
/// The functions that ran, in words.
type Log = Vec<String>;
type TestNode = Node<Step, Log, Error, u8>;

/// A node that says what it does, sets a checkpoint, and goes to `next`.
fn node(name: Step, reaches: u8, next: Next<Step>) -> TestNode {
    TestNode::new(name, move |log, visit| {
        log.push(format!("{name:?} {}", visit.attempt()));
        visit.checkpoint(reaches);
        Ok(next)
    })
    .rollback(move |log, visit| {
        log.push(format!("undo {:?} {:?}", visit.node(), visit.reached()));
        Ok(Next::To(name))
    })
}

fn open_read_check() -> Sequence<Step, Log, Error, u8> {
    let nodes = [node(Open, 1, Next::To(Read)), node(Read, 2, Next::To(Check)), node(Check, 3, Next::Finish)];
    Sequence::new(nodes).unwrap()
}

fn ran(sequence: &mut Sequence<Step, Log, Error, u8>) -> (Result<(), RunError<Step, Error>>, String) {
    let mut log = Log::new();
    let result = sequence.run(&mut log, Open);
    (result, log.join(", "))
}

#[test]
fn nodes_run_in_the_order_that_they_name() {
    assert_eq!(ran(&mut open_read_check()), (Ok(()), "Open 1, Read 1, Check 1".into()));
}

#[test]
fn a_failure_rolls_back_the_node_with_nothing_to_undo_and_tries_again() {
    let mut sequence = open_read_check();
    sequence.inject(Function::Normal, Read, 1, "broken").unwrap();
    assert_eq!(ran(&mut sequence), (Ok(()), "Open 1, undo Read None, Read 2, Check 1".into()));
}

#[test]
fn the_fifth_failure_undoes_the_previous_node_with_its_own_checkpoint() {
    let mut sequence = open_read_check();
    for nth in 1..=5 {
        sequence.inject(Function::Normal, Check, nth, "bad").unwrap();
    }
    let (result, log) = ran(&mut sequence);
    assert_eq!(result, Ok(()));
    let retries = "undo Check None, ".repeat(4);
    assert_eq!(log, format!("Open 1, Read 1, {retries}undo Read Some(2), Read 1, Check 1"));
}

#[test]
fn a_rollback_that_fails_goes_back_at_once_and_past_the_first_node_ends_the_run() {
    let mut sequence = open_read_check();
    sequence.inject(Function::Normal, Read, 1, "broken").unwrap();
    sequence.inject(Function::RollBack, Read, 1, "stuck").unwrap();
    sequence.inject(Function::RollBack, Open, 1, "gone").unwrap();
    let error = RunError::PastFirst { node: Open, error: Some("gone") };
    assert_eq!(ran(&mut sequence), (Err(error), "Open 1".into()));
    assert_eq!(error.to_string(), "rolled back past Open, the first node: gone");
    assert_eq!(error.failure(), Some(&"gone"));
}

#[test]
fn what_a_rollback_has_undone_is_undone_when_it_is_tried_again() {
    let read = TestNode::new(Read, |_, visit| {
        visit.checkpoint(2);
        Err("broken")
    })
    .rollback(|log, visit| {
        log.push(format!("undo {:?}", visit.reached()));
        match visit.reached() {
            Some(2) => {
                visit.checkpoint(1);
                Err("half")
            }
            Some(_) => {
                visit.clear();
                Err("nearly")
            }
            None => Ok(Next::Finish),
        }
    })
    .policy(|_, report, _| match report {
        Report::RollBackFail(_) => Verdict::RollBackCurrent,
        _ => report.default_verdict(),
    });
    let mut sequence = Sequence::new([node(Open, 0, Next::To(Read)), read]).unwrap();
    assert_eq!(ran(&mut sequence), (Ok(()), "Open 1, undo Some(2), undo Some(1), undo None".into()));
}

#[test]
fn a_node_without_a_rollback_function_is_tried_again() {
    let mut failures = 2;
    let bare = TestNode::new(Open, move |log, visit| {
        log.push(format!("{}", visit.attempt()));
        if failures == 0 {
            return Ok(Next::Finish);
        }
        failures -= 1;
        Err("not yet")
    });
    assert_eq!(ran(&mut Sequence::new([bare]).unwrap()), (Ok(()), "1, 2, 3".into()));
}

#[test]
fn failures_that_a_policy_answers_itself_are_not_counted() {
    let stubborn = node(Open, 0, Next::Finish).policy(|_, report, visit| match report {
        Report::NormalFail("busy") if visit.attempt() < 100 => Verdict::RollBackCurrent,
        _ => report.default_verdict(),
    });
    let mut sequence = Sequence::new([stubborn]).unwrap();
    for nth in 1..=50 {
        sequence.inject(Function::Normal, Open, nth, "busy").unwrap();
    }
    for nth in 51..=54 {
        sequence.inject(Function::Normal, Open, nth, "broken").unwrap();
    }
    let (result, log) = ran(&mut sequence);
    assert_eq!(result, Ok(()));
    assert!(log.ends_with("Open 55"), "{log}");
}

#[test]
fn attempts_can_be_fewer() {
    let mut sequence = open_read_check().attempts(2);
    for nth in 1..=2 {
        sequence.inject(Function::Normal, Open, nth, "broken").unwrap();
    }
    let (result, log) = ran(&mut sequence);
    assert_eq!(result, Err(RunError::PastFirst { node: Open, error: Some("broken") }));
    assert_eq!(log, "undo Open None");
}

#[test]
fn a_policy_can_fail_the_run_and_the_last_failure_is_told() {
    let fussy = node(Open, 0, Next::Finish).policy(|_, report, _| match report {
        Report::NormalFail(_) => Verdict::Fail,
        _ => report.default_verdict(),
    });
    let mut sequence = Sequence::new([fussy]).unwrap();
    sequence.inject(Function::Normal, Open, 0, "broken").unwrap();
    let error = RunError::Failed { node: Open, error: Some("broken") };
    assert_eq!(ran(&mut sequence), (Err(error), String::new()));
    assert_eq!(error.to_string(), "the policy of node Open has failed the sequence: broken");
    // The fault was for one call.
    assert_eq!(ran(&mut sequence).0, Ok(()));
}

#[test]
fn a_node_that_there_is_not_ends_the_run() {
    let mut lost = Sequence::new([node(Open, 0, Next::To(Missing))]).unwrap();
    let error = RunError::NoSuchNode { node: Missing };
    assert_eq!(ran(&mut lost), (Err(error), "Open 1".into()));
    assert_eq!(error.to_string(), "there is no node Missing to go to");
    assert_eq!(error.failure(), None);
    assert_eq!(lost.run(&mut Log::new(), Missing), Err(error));
    assert_eq!(lost.inject(Function::Normal, Missing, 1, ""), Err(error));
}

#[test]
fn a_list_must_have_nodes_and_no_name_twice() {
    let none: [TestNode; 0] = [];
    let error = Sequence::new(none).map(drop).unwrap_err();
    assert_eq!((error, error.to_string()), (BuildError::NoNodes, "a sequence needs at least one node".into()));
    let twice = [node(Open, 0, Next::Finish), node(Read, 0, Next::Finish), node(Open, 1, Next::Finish)];
    let error = Sequence::new(twice).map(drop).unwrap_err();
    assert_eq!(error, BuildError::Duplicate(Open));
    assert_eq!(error.to_string(), "two nodes are named Open; each needs a name of its own");
}

#[test]
fn going_to_a_visited_node_forgets_what_came_after_it() {
    let mut rounds = 0;
    let check = TestNode::new(Check, move |_, _| {
        rounds += 1;
        if rounds < 3 { Ok(Next::To(Read)) } else { Err("enough") }
    })
    .policy(|_, report, _| match report {
        Report::NormalFail(_) => Verdict::RollBackPrevious,
        _ => report.default_verdict(),
    });
    let read = node(Read, 2, Next::To(Check)).rollback(|log, visit| {
        log.push(format!("undo Read {:?}", visit.reached()));
        Err("give up")
    });
    let open = node(Open, 1, Next::To(Read)).rollback(|log, visit| {
        log.push(format!("undo Open {:?}", visit.reached()));
        Ok(Next::Finish)
    });
    let (result, log) = ran(&mut Sequence::new([open, read, check]).unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(log, "Open 1, Read 1, Read 1, Read 1, undo Read Some(2), undo Open Some(1)");
}

#[test]
fn a_sequence_runs_inside_a_node_of_another() {
    let mut inner = open_read_check();
    inner.inject(Function::Normal, Check, 1, "bad").unwrap();
    for nth in 1..=5 {
        inner.inject(Function::Normal, Open, nth, "broken").unwrap();
    }
    let outer = TestNode::new(Open, move |log, visit| {
        log.push(format!("outer {}", visit.attempt()));
        inner.run(log, Open).map_err(|_| "the inner one has failed")?;
        Ok(Next::Finish)
    });
    let (result, log) = ran(&mut Sequence::new([outer]).unwrap());
    assert_eq!(result, Ok(()));
    let retries = "undo Open None, ".repeat(4);
    assert_eq!(log, format!("outer 1, {retries}outer 2, Open 1, Read 1, undo Check None, Check 2"));
}

#[test]
fn pauses_are_made_before_each_attempt_but_the_first_of_a_row() {
    let slept = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&slept);
    let mut sequence =
        Sequence::new([node(Open, 0, Next::To(Read)).pause(|pause| Duration::from_secs(pause.into())), {
            node(Read, 0, Next::Finish)
        }])
        .unwrap()
        .sleeping_with(move |length| witness.lock().unwrap().push(length.as_secs()));
    for nth in [1, 2, 3] {
        sequence.inject(Function::Normal, Open, nth, "broken").unwrap();
    }
    for nth in 1..=6 {
        sequence.inject(Function::Normal, Read, nth, "broken").unwrap();
    }
    assert_eq!(ran(&mut sequence).0, Ok(()));
    assert_eq!(*slept.lock().unwrap(), [1, 2, 3]);
}

#[cfg(feature = "backon")]
#[test]
fn a_backoff_begins_anew_with_each_row_and_goes_on_with_its_last_delay() {
    let slept = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&slept);
    let delays = backon::ExponentialBuilder::default().with_min_delay(Duration::from_secs(1)).with_max_times(2);
    let open = node(Open, 0, Next::To(Read)).backoff(delays).rollback(|_, _| Ok(Next::To(Open)));
    let mut sequence = Sequence::new([open, node(Read, 0, Next::Finish)])
        .unwrap()
        .sleeping_with(move |length| witness.lock().unwrap().push(length.as_secs()));
    for nth in [1, 2, 3, 4, 6, 7] {
        sequence.inject(Function::Normal, Open, nth, "broken").unwrap();
    }
    for nth in 1..=5 {
        sequence.inject(Function::Normal, Read, nth, "broken").unwrap();
    }
    assert_eq!(ran(&mut sequence).0, Ok(()));
    assert_eq!(*slept.lock().unwrap(), [1, 2, 2, 2, 1, 2]);
}

#[test]
fn a_backoff_sleeps_for_real_unless_told_otherwise() {
    let mut sequence = Sequence::new([node(Open, 0, Next::Finish).pause(|_| Duration::from_millis(20))]).unwrap();
    sequence.inject(Function::Normal, Open, 1, "broken").unwrap();
    let began = std::time::Instant::now();
    assert_eq!(ran(&mut sequence).0, Ok(()));
    assert!(began.elapsed() >= Duration::from_millis(20));
}

fn in_words(observation: &Observation<'_, Step, Error>) -> String {
    match observation {
        Observation::Entering { node, attempt } => format!("enter {node:?} {attempt}"),
        Observation::RollingBack { node } => format!("undo {node:?}"),
        Observation::Reported { node, report } => format!("{node:?}: {:?}", report.event()),
        Observation::Judged { node, verdict } => format!("{node:?}: {verdict:?}"),
        Observation::Ended(result) => format!("{:?}", result.is_ok()),
    }
}

#[test]
fn an_observer_is_told_everything_in_order() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&told);
    let mut sequence = Sequence::new([node(Open, 0, Next::Finish)])
        .unwrap()
        .observer(move |observation| witness.lock().unwrap().push(in_words(observation)));
    sequence.inject(Function::Normal, Open, 1, "broken").unwrap();
    assert_eq!(ran(&mut sequence).0, Ok(()));
    assert_eq!(sequence.run(&mut Log::new(), Missing).map_err(drop), Err(()));
    let expected = [
        "enter Open 1",
        "Open: NormalFail",
        "Open: Retry",
        "undo Open",
        "Open: RollBackSuccess",
        "Open: GoTo(Open)",
        "enter Open 2",
        "Open: NormalSuccess",
        "Open: Finish",
        "true",
        "false",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn a_panic_ends_the_run_and_the_sequence_can_be_run_again() {
    let mut panics = true;
    let fragile = TestNode::new(Read, move |_, _| {
        assert!(!std::mem::take(&mut panics), "once");
        Ok(Next::Finish)
    });
    let mut sequence = Sequence::new([node(Open, 1, Next::To(Read)), fragile]).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| ran(&mut sequence))).is_err());
    assert!(format!("{sequence:?}").contains("visited: [Open, Read]"), "{sequence:?}");
    assert_eq!(ran(&mut sequence), (Ok(()), "Open 1".into()));
}

#[test]
fn the_source_of_an_error_is_the_last_failure() {
    type Io = std::io::Error;
    let mut sequence =
        Sequence::new([Node::<_, (), _>::new(Open, |(), _| Err(Io::from(std::io::ErrorKind::NotConnected)))]).unwrap();
    let error = sequence.run(&mut (), Open).unwrap_err();
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Io>());
    assert_eq!(source.map(Io::kind), Some(std::io::ErrorKind::NotConnected));
}

#[test]
fn a_sequence_can_be_handed_to_another_thread() {
    let mut sequence = open_read_check();
    let log = std::thread::spawn(move || ran(&mut sequence).1).join().unwrap();
    assert_eq!(log, "Open 1, Read 1, Check 1");
}
