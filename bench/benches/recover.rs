//! What does a recovery cost, from the reset to the call that has come through, beside what one would write by hand?
#![allow(missing_docs)]

use std::io;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use ha_bench::recovery::{Rounds, Way};
use ha_bench::settings;

fn main() -> io::Result<()> {
    let mut criterion = settings();
    for way in Way::ALL {
        for dups in [0, 3, 15] {
            measure(&mut criterion, way, dups, 1)?;
        }
        // A number that is closed behind the back of many threads is not theirs alone to open again.
        if way != Way::File {
            for threads in [8, 64] {
                measure(&mut criterion, way, 7, threads)?;
            }
        }
    }
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, way: Way, dups: usize, threads: usize) -> io::Result<()> {
    let mut group = criterion.benchmark_group(format!("{}, {dups} dups, {threads} threads", way.name()));
    let contenders =
        [("by hand", Rounds::by_hand(way, dups, threads)?), ("libha", Rounds::with_libha(way, dups, threads)?)];
    for (name, rounds) in contenders {
        let mut failed = None;
        group.bench_function(BenchmarkId::from_parameter(name), |timer| {
            timer.iter_custom(|count| {
                // Once a recovery has failed, the next one would wait for a connection that nobody makes.
                let played = if failed.is_none() { rounds.play(count) } else { Ok(Duration::from_secs(1)) };
                played.unwrap_or_else(|why| {
                    failed = Some(why);
                    Duration::from_secs(1)
                })
            });
        });
        if let Some(why) = failed {
            return Err(why);
        }
    }
    group.finish();
    Ok(())
}
