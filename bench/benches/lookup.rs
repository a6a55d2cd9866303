//! What does it cost to look a number up, with many of them, and with another thread that does the same?
#![allow(missing_docs)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use criterion::{BenchmarkId, Criterion};
use dashmap::DashMap;
use ha_bench::tables::{Numbers, Words, many_descriptors};
use ha_bench::{settings, verify};

fn main() -> io::Result<()> {
    let mut criterion = settings();
    for count in [10, 1_000, 100_000] {
        let descriptors = many_descriptors(count)?;
        if descriptors.len() < count {
            eprintln!("{count} numbers: the limits of this process end at {}", descriptors.len());
        }
        let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        measure::<Words>(&mut criterion, &numbers)?;
        measure::<Mutex<HashMap<RawFd, Arc<RawFd>>>>(&mut criterion, &numbers)?;
        measure::<RwLock<HashMap<RawFd, Arc<RawFd>>>>(&mut criterion, &numbers)?;
        measure::<DashMap<RawFd, Arc<RawFd>>>(&mut criterion, &numbers)?;
        measure::<papaya::HashMap<RawFd, Arc<RawFd>>>(&mut criterion, &numbers)?;
        measure::<Vec<ArcSwapOption<RawFd>>>(&mut criterion, &numbers)?;
        for number in numbers {
            ha_core::number::detach(number)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

fn measure<T: Numbers>(criterion: &mut Criterion, numbers: &[RawFd]) -> io::Result<()> {
    let table = T::up_to(numbers.iter().copied().max().unwrap_or(0));
    for number in numbers {
        table.put(*number)?;
    }
    verify(T::NAME, &numbers.iter().all(|number| table.has(*number)), &true)?;
    let mut group = criterion.benchmark_group(format!("{} numbers", numbers.len()));
    group.bench_function(BenchmarkId::new(T::NAME, "one thread"), |timer| {
        let mut turn = numbers.iter().cycle();
        timer.iter(|| turn.next().is_some_and(|number| table.has(black_box(*number))));
    });
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    for (which, pair) in [("two threads, one number", [first; 2]), ("two threads, a number each", [first, last])] {
        group.bench_function(BenchmarkId::new(T::NAME, which), |timer| {
            timer.iter_custom(|lookups| at_the_same_time(&table, pair, lookups));
        });
    }
    group.finish();
    Ok(())
}

/// How long the slower one of two threads took.
fn at_the_same_time<T: Numbers>(table: &T, numbers: [RawFd; 2], lookups: u64) -> Duration {
    let start = Barrier::new(numbers.len());
    std::thread::scope(|scope| {
        let threads = numbers.map(|number| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let began = Instant::now();
                for _ in 0..lookups {
                    black_box(table.has(black_box(number)));
                }
                began.elapsed()
            })
        });
        threads.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    })
}
