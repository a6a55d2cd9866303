//! Plays a scenario twice, as a sequence and on the reference, and compares.

#![allow(clippy::expect_used, clippy::panic, reason = "a check tells by a panic what is wrong")]

use std::collections::BTreeMap;

use ha_checkpoint::{Function, Next, Node, Report, RunError, Sequence, Verdict};

use crate::reference::{Due, Visit, answered, gone_to};
use crate::scenario::{Answer, Name, Reported, Scenario, Shape, Turn};

/// Errors tell which failure they are of: the number of the turn, or beyond all turns that of the fault.
type Error = usize;
const FAULTS: Error = usize::MAX / 2;

/// A function that has run: whose, which, what its visit had reached, and in which attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    node: Name,
    function: Function,
    reached: Option<u8>,
    attempt: u32,
}

/// What has happened so far, and what is still to come.
#[derive(Debug)]
struct Course<'a> {
    scenario: &'a Scenario,
    turns: usize,
    answers: usize,
    ran: Vec<Ran>,
}

type Outcome = Result<(), RunError<Name, Error>>;

/// Panics unless the sequence does what the reference does. Returns the functions that have run.
pub fn check(scenario: &Scenario) -> Vec<Ran> {
    let Some((outcome, ran)) = run(scenario) else { return Vec::new() };
    let (expected, reference) = refer(scenario);
    assert_eq!(ran, reference, "what ran, and what the reference says: {scenario:?}");
    assert_eq!(outcome, expected, "how it ended, and what the reference says: {scenario:?}");
    ran
}

impl<'a> Course<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self { scenario, turns: 0, answers: 0, ran: Vec::new() }
    }

    /// What the function does that is running.
    fn turn(&mut self) -> (Error, Turn) {
        let number = self.turns;
        self.turns += 1;
        let last = Turn { checkpoint: None, report: Reported::Finish };
        (number, self.scenario.turns.get(number).copied().unwrap_or(last))
    }

    /// What the policy answers that is asked.
    fn answer(&mut self) -> Option<Answer> {
        self.answers += 1;
        self.scenario.answers.get(self.answers - 1).copied().flatten()
    }
}

/// The scenario as a sequence; `None` if it has no nodes.
fn run(scenario: &Scenario) -> Option<(Outcome, Vec<Ran>)> {
    let nodes = scenario.shapes().map(|(name, shape)| node(name, shape));
    let mut sequence = Sequence::new(nodes).ok()?.attempts(scenario.attempts);
    for (number, fault) in scenario.faults.iter().enumerate() {
        let is_first = !scenario.faults[..number].contains(fault);
        if is_first && scenario.shape(fault.node).is_some() {
            let function = if fault.rollback { Function::RollBack } else { Function::Normal };
            let injected = sequence.inject(function, fault.node, fault.call, FAULTS + number);
            assert_eq!(injected, Ok(()));
        }
    }
    let mut course = Course::new(scenario);
    let outcome = sequence.run(&mut course, scenario.start);
    Some((outcome, course.ran))
}

fn node<'a>(name: Name, shape: Shape) -> Node<Name, Course<'a>, Error, u8> {
    let act = |function| {
        move |course: &mut Course<'a>, visit: &mut ha_checkpoint::Visit<'_, Name, u8>| {
            let reached = visit.reached().copied();
            course.ran.push(Ran { node: visit.node(), function, reached, attempt: visit.attempt() });
            let (number, turn) = course.turn();
            match turn.checkpoint {
                Some(Some(value)) => visit.checkpoint(value),
                Some(None) => visit.clear(),
                None => {}
            }
            match turn.report {
                Reported::To(node) => Ok(Next::To(node)),
                Reported::Finish => Ok(Next::Finish),
                Reported::Fail => Err(number),
            }
        }
    };
    let node = Node::new(name, act(Function::Normal));
    let node = if shape.rollback { node.rollback(act(Function::RollBack)) } else { node };
    if !shape.policy {
        return node;
    }
    node.policy(|course: &mut Course<'a>, report: &Report<Name, Error>, _| match course.answer() {
        None => report.default_verdict(),
        Some(Answer::Retry) => Verdict::Retry,
        Some(Answer::Current) => Verdict::RollBackCurrent,
        Some(Answer::Previous) => Verdict::RollBackPrevious,
        Some(Answer::GoTo(node)) => Verdict::GoTo(node),
        Some(Answer::Finish) => Verdict::Finish,
        Some(Answer::Fail) => Verdict::Fail,
    })
}

/// The scenario on the reference.
fn refer(scenario: &Scenario) -> (Outcome, Vec<Ran>) {
    let mut course = Course::new(scenario);
    let outcome = follow(scenario, &mut course);
    (outcome, course.ran)
}

fn follow(scenario: &Scenario, course: &mut Course<'_>) -> Outcome {
    let (mut visits, mut calls) = (Vec::<Visit>::new(), BTreeMap::new());
    let (mut node, mut error) = (scenario.start, None);
    let mut answer = Answer::GoTo(scenario.start);
    // Whatever happens, each second function takes something from what is still to come.
    for _ in 0..2 * (scenario.turns.len() + scenario.answers.len() + scenario.faults.len() + 2) {
        let due = match answer {
            Answer::GoTo(missing) if scenario.shape(missing).is_none() => {
                return Err(RunError::NoSuchNode { node: missing });
            }
            Answer::GoTo(next) => gone_to(&mut visits, next),
            other => answered(&mut visits, other, scenario.attempts),
        };
        let function = match due {
            Due::Normal => Function::Normal,
            Due::RollBack => Function::RollBack,
            Due::Finished => return Ok(()),
            Due::Failed => return Err(RunError::Failed { node, error }),
            Due::PastFirst => return Err(RunError::PastFirst { node, error }),
        };
        let visit = visits.last_mut().expect("the model rolls back or enters a node that is visited");
        node = visit.node;
        let shape = scenario.shape(node).expect("the node was entered");
        let call = calls.entry((node, function == Function::RollBack)).and_modify(|count| *count += 1).or_insert(1);
        let fault = scenario.faults.iter().position(|fault| {
            (fault.node, fault.rollback, fault.call) == (node, function == Function::RollBack, *call)
        });
        let report = if let Some(number) = fault {
            error = Some(FAULTS + number);
            Reported::Fail
        } else if function == Function::RollBack && !shape.rollback {
            Reported::To(node)
        } else {
            course.ran.push(Ran { node, function, reached: visit.checkpoint, attempt: visit.attempt });
            let (number, turn) = course.turn();
            visit.checkpoint = turn.checkpoint.unwrap_or(visit.checkpoint);
            if let Reported::Fail = turn.report {
                error = Some(number);
            }
            turn.report
        };
        if function == Function::Normal && !matches!(report, Reported::Fail) {
            visit.begins_anew();
        }
        let by_default = match (report, function) {
            (Reported::To(next), _) => Answer::GoTo(next),
            (Reported::Finish, _) => Answer::Finish,
            (Reported::Fail, Function::Normal) => Answer::Retry,
            (Reported::Fail, Function::RollBack) => Answer::Previous,
        };
        answer = if shape.policy { course.answer().unwrap_or(by_default) } else { by_default };
    }
    panic!("the run does not end: {scenario:?}");
}
