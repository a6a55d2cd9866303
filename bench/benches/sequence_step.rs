//! What does a sequence cost, beside the work of its nodes?
//!
//! The core's step alone, and a whole turn of the loop: a normal function that does nothing, the default policy, the step. Once
//! on few nodes and once on many, going forward, in circles, and over a rollback.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ha_checkpoint::step::{Action, State, begin, step};
use ha_checkpoint::{Event, Next, Node, Sequence, Verdict};

const SIZES: [usize; 2] = [2, 1000];

/// Turns of one run.
const TURNS: u64 = 10_000;

fn step_alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for nodes in SIZES {
        let mut state = State::<u64>::new(nodes, 5);
        begin(&mut state, 0);
        let mut next = 0;
        group.bench_function(BenchmarkId::new("to the next node, round and round", nodes), |timer| {
            timer.iter(|| {
                next = if next + 1 == nodes { 0 } else { next + 1 };
                step(&mut state, black_box(Event::NormalSuccess), black_box(Verdict::GoTo(next)))
            });
        });
        begin(&mut state, 0);
        group.bench_function(BenchmarkId::new("failure and retry", nodes), |timer| {
            timer.iter(|| {
                let action = step(&mut state, black_box(Event::NormalFail), black_box(Verdict::RollBackCurrent));
                assert_eq!(action, Action::RollBack(0));
                step(&mut state, black_box(Event::RollBackSuccess), black_box(Verdict::GoTo(0)))
            });
        });
    }
    group.finish();
}

/// Nodes that lead in a circle until all turns are made; each second one fails every time if they are to be rolled back.
fn circle(nodes: usize, failing: bool) -> Option<Sequence<usize, u64, (), u64>> {
    let node = |name| {
        Node::new(name, move |turns: &mut u64, visit| {
            visit.checkpoint(*turns);
            *turns += 1;
            match *turns {
                TURNS.. => Ok(Next::Finish),
                _ if failing && name % 2 == 1 && visit.attempt() == 1 => Err(()),
                _ => Ok(Next::To((name + 1) % nodes)),
            }
        })
        .rollback(move |turns, _| {
            *turns += 1;
            Ok(Next::To(name))
        })
    };
    Sequence::new((0..nodes).map(node)).ok()
}

fn whole_turn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn of the loop");
    group.throughput(Throughput::Elements(TURNS));
    for nodes in SIZES {
        for (name, failing) in [("all succeed", false), ("each second one fails once", true)] {
            let Some(mut sequence) = circle(nodes, failing) else { continue };
            assert_eq!(sequence.run(&mut 0, 0), Ok(()));
            group.bench_function(BenchmarkId::new(name, nodes), |timer| {
                timer.iter(|| sequence.run(black_box(&mut 0), 0));
            });
        }
    }
    group.finish();
}

fn settings() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = step_alone, whole_turn }
criterion_main!(benches);
