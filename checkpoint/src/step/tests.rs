//! Every state that a run of up to four nodes can be in, with every event and every verdict.

use std::collections::{HashSet, VecDeque};

use super::{Action, End, State, begin, step};
use crate::report::Event;
use crate::verdict::Verdict;

const LIMIT: u32 = 3;
const EVENTS: [Event; 4] = [Event::NormalSuccess, Event::NormalFail, Event::RollBackSuccess, Event::RollBackFail];

/// All verdicts about so many nodes, and one about a node that there is not.
fn verdicts(nodes: usize) -> Vec<Verdict<usize>> {
    let mut verdicts =
        vec![Verdict::Retry, Verdict::RollBackCurrent, Verdict::RollBackPrevious, Verdict::Finish, Verdict::Fail];
    verdicts.extend((0..=nodes).map(Verdict::GoTo));
    verdicts
}

/// Attempts do not decide anything, and count without end: equal states are equal but for them.
fn without_attempts(mut state: State<u8>) -> State<u8> {
    state.frames.iter_mut().for_each(|frame| frame.attempt = 0);
    state
}

/// The nodes on the stack, as an independent description of what a step does to them.
fn stack(state: &State<u8>) -> Vec<usize> {
    state.frames().iter().map(super::Frame::node).collect()
}

fn is_sound(state: &State<u8>) {
    let stack = stack(state);
    assert!(stack.len() <= state.depths.len());
    for node in 0..state.depths.len() {
        assert_eq!(state.depths[node], stack.iter().position(|visited| *visited == node), "{state:?}");
    }
    assert!(state.frames.iter().all(|frame| frame.failures < LIMIT), "{state:?}");
    let (Some(_), left) = state.frames.split_last().map_or((None, &[][..]), |(top, left)| (Some(top), left)) else {
        return;
    };
    assert!(left.iter().all(|frame| frame.failures == 0 && frame.attempt == 0), "{state:?}");
}

fn is_right(before: &State<u8>, event: Event, verdict: Verdict<usize>, after: &State<u8>, action: Action) {
    let nodes = before.depths.len();
    let (was, is) = (stack(before), stack(after));
    let current = before.frames().last().copied();
    let failed = current.map_or(0, |frame| if event == Event::NormalSuccess { 0 } else { frame.failures });
    let gone_back = || was.split_last().map_or(vec![], |(_, below)| below.to_vec());
    let rolled_back =
        |stack: &[usize]| stack.last().map_or(Action::End(End::PastFirst), |node| Action::RollBack(*node));
    let (expected_stack, expected) = match verdict {
        Verdict::Finish => (was.clone(), Action::End(End::Finished)),
        Verdict::Fail => (was.clone(), Action::End(End::Failed)),
        Verdict::GoTo(node) if node >= nodes => (was.clone(), Action::End(End::NoSuchNode)),
        Verdict::GoTo(node) => {
            let below = was.iter().copied().take_while(|visited| *visited != node);
            (below.chain([node]).collect(), Action::Normal(node))
        }
        Verdict::RollBackCurrent => (was.clone(), rolled_back(&was)),
        Verdict::Retry if failed + 1 < LIMIT => (was.clone(), rolled_back(&was)),
        Verdict::Retry | Verdict::RollBackPrevious => (gone_back(), rolled_back(&gone_back())),
    };
    let context = format!("{before:?} {event:?} {verdict:?}");
    assert_eq!((is, action), (expected_stack, expected), "{context}");
    match (action, after.frames().last()) {
        (Action::Normal(node), Some(top)) => {
            let again = current.is_some_and(|frame| frame.node == node) && event != Event::NormalSuccess;
            let (attempt, failures) = current.filter(|_| again).map_or((1, 0), |frame| (frame.attempt + 1, failed));
            assert_eq!((top.checkpoint, top.attempt, top.failures), (None, attempt, failures), "{context}");
        }
        // What a rollback function is to undo is what its own visit has reached.
        (Action::RollBack(node), Some(top)) => {
            let visit = before.frames().iter().find(|frame| frame.node == node);
            assert_eq!(top.checkpoint, visit.and_then(|frame| frame.checkpoint), "{context}");
        }
        _ => {}
    }
}

#[test]
fn in_every_state_every_verdict_on_every_event_does_what_its_name_says() {
    for nodes in 1..=4 {
        let mut seen = HashSet::new();
        let mut open = VecDeque::from([State::new(nodes, LIMIT)]);
        let mut steps = 0;
        let begun = (0..nodes).map(|node| {
            let mut state = State::new(nodes, LIMIT);
            assert_eq!(begin(&mut state, node), Action::Normal(node));
            state
        });
        open.extend(begun);
        while let Some(state) = open.pop_front() {
            is_sound(&state);
            if !seen.insert(without_attempts(state.clone())) {
                continue;
            }
            for event in EVENTS {
                for verdict in verdicts(nodes) {
                    let mut after = state.clone();
                    let action = step(&mut after, event, verdict);
                    is_right(&state, event, verdict, &after, action);
                    steps += 1;
                    // A function that runs next may set its checkpoint, to the number of its node, or leave it alone.
                    let mut marked = after.clone();
                    if let Some(frame) = marked.current() {
                        frame.checkpoint = Some(u8::try_from(frame.node).unwrap());
                    }
                    open.extend([after, marked]);
                }
            }
        }
        let stacks: HashSet<_> = seen.iter().map(stack).collect();
        // Every arrangement of some of the nodes.
        assert_eq!(stacks.len(), [2, 5, 16, 65][nodes - 1]);
        assert!(steps > 100 * nodes, "{steps}");
    }
}

#[test]
fn a_state_begins_anew_wherever_it_was() {
    for nodes in 1..=3 {
        let mut state = State::<u8>::new(nodes, LIMIT);
        begin(&mut state, 0);
        step(&mut state, Event::NormalFail, Verdict::Retry);
        for node in 0..nodes {
            step(&mut state, Event::NormalFail, Verdict::GoTo(node));
        }
        let mut fresh = State::new(nodes, LIMIT);
        assert_eq!(begin(&mut state, nodes - 1), begin(&mut fresh, nodes - 1));
        assert_eq!(state, fresh);
    }
    assert_eq!(begin(&mut State::<u8>::new(1, LIMIT), 1), Action::End(End::NoSuchNode));
}

#[test]
fn the_fifth_failure_goes_back_and_a_success_between_begins_the_count_anew() {
    let mut state = State::<()>::new(2, 5);
    begin(&mut state, 0);
    step(&mut state, Event::NormalSuccess, Verdict::GoTo(1));
    let fail = |state: &mut State<()>| {
        let action = step(state, Event::NormalFail, Verdict::Retry);
        if action == Action::RollBack(1) {
            step(state, Event::RollBackSuccess, Verdict::GoTo(1));
        }
        action
    };
    for _ in 0..4 {
        assert_eq!(fail(&mut state), Action::RollBack(1));
    }
    step(&mut state, Event::NormalSuccess, Verdict::GoTo(1));
    for _ in 0..4 {
        assert_eq!(fail(&mut state), Action::RollBack(1));
    }
    assert_eq!(fail(&mut state), Action::RollBack(0));
}

#[test]
fn a_limit_of_zero_or_one_goes_back_at_the_first_failure() {
    for limit in [0, 1] {
        let mut state = State::<()>::new(1, limit);
        begin(&mut state, 0);
        assert_eq!(step(&mut state, Event::NormalFail, Verdict::Retry), Action::End(End::PastFirst));
    }
}

#[test]
fn counts_that_can_grow_no_further_stay() {
    let mut state = State::<()>::new(1, u32::MAX);
    begin(&mut state, 0);
    state.frames[0].attempt = u32::MAX;
    step(&mut state, Event::RollBackSuccess, Verdict::GoTo(0));
    assert_eq!(state.frames[0].attempt(), u32::MAX);
}
