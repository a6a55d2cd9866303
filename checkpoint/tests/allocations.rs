//! A run acquires no memory: counted, in a program whose allocator counts.

#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ha_checkpoint::{Function, Next, Node, Report, RunError, Sequence, Verdict};

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

struct Counting;

// SAFETY: the system's allocator does it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's contract is that of the system's allocator. So it is below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(action: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

/// A hundred nodes, of which each fails now and then, goes back, and leads on or to the first one.
fn busy() -> Sequence<u32, u32, u32, u32> {
    Sequence::new((0..100).map(|name| {
        Node::new(name, move |steps: &mut u32, visit| {
            *steps += 1;
            visit.checkpoint(*steps);
            match *steps {
                100_000.. => Ok(Next::Finish),
                step if step % 7 == 0 => Err(step),
                step if step % 1013 == 0 => Ok(Next::To(0)),
                _ => Ok(Next::To((name + 1) % 100)),
            }
        })
        .rollback(move |_, visit| if visit.attempt() % 2 == 0 { Err(0) } else { Ok(Next::To(name)) })
        .policy(|_, report, _| match report {
            Report::RollBackFail(_) => Verdict::RollBackCurrent,
            _ => report.default_verdict(),
        })
    }))
    .unwrap()
    .observer(|_| {})
}

#[test]
fn runs_acquire_no_memory() {
    let mut sequence = busy();
    for _ in 0..2 {
        let mut steps = 0;
        let count = allocations(|| match sequence.run(&mut steps, 0) {
            Ok(()) | Err(RunError::PastFirst { .. }) => {}
            Err(error) => panic!("{error}"),
        });
        assert!(steps > 1000, "{steps}");
        assert_eq!(count, 0, "allocations in {steps} attempts");
    }
    // The faults of a test are kept in a list.
    sequence.inject(Function::Normal, 0, 1, 7).unwrap();
    assert_eq!(allocations(|| assert_eq!(sequence.run(&mut 99_999, 0), Ok(()))), 0);
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}
