//! Percentiles of single calls, plain and covered in turn.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use ha_bench::contender::{Contender, Covering, Plain, Uncovered};
use ha_bench::library::{Calls, Library};
use ha_bench::places::device;
use hdrhistogram::Histogram;

use crate::figures::{Axis, Figure, Line, Plot, Section, Unit};

const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
/// A call that takes longer than this, in nanoseconds, is counted as one that takes this long.
const LONGEST: u64 = 1_000_000_000;

/// Makes this many calls of each and times each call.
pub(crate) fn section(library: &Library, calls: u64) -> io::Result<Section> {
    let (plain, uncovered, covering) = (Plain(Calls::libc()?), Uncovered(*library), Covering(*library));
    let ends = (hold(&plain)?, hold(&uncovered)?, hold(&covering)?);
    let mut lines = Vec::new();
    let mut histograms = Vec::new();
    for _ in 0..3 {
        histograms.push(Histogram::<u64>::new_with_bounds(1, LONGEST, 3).map_err(io::Error::other)?);
    }
    for _ in 0..calls {
        histograms[0].saturating_record(timed(|| plain.write(&ends.0, black_box(b"x"))));
        histograms[1].saturating_record(timed(|| uncovered.write(&ends.1, black_box(b"x"))));
        histograms[2].saturating_record(timed(|| covering.write(&ends.2, black_box(b"x"))));
    }
    let mut figures = Vec::new();
    for (name, histogram) in ["libc", "uncovered number", "covered number"].into_iter().zip(&histograms) {
        let mut points = Vec::new();
        for (place, percentile) in PERCENTILES.into_iter().enumerate() {
            let value = histogram.value_at_percentile(percentile) as f64;
            points.push((place as f64, value));
            figures.push(Figure::new(format!("{name}: p{percentile}"), value, Unit::Nanoseconds));
        }
        lines.push(Line { name: name.into(), points });
    }
    let marks = PERCENTILES.into_iter().enumerate().map(|(place, percentile)| (place as f64, format!("p{percentile}")));
    let horizontal = Axis { marks: marks.collect(), ..Axis::of("percentile of calls") };
    Ok(Section {
        title: "Latency of single calls".into(),
        about: format!(
            "One-byte writes to /dev/null, {calls} of each, in turn, each timed by itself: two looks at the clock are in \
             every value. What is above p99.9 is the machine's other work, which all three meet."
        ),
        figures,
        plots: vec![Plot {
            file: "latency".into(),
            title: "Latency of a one-byte write to /dev/null".into(),
            horizontal,
            vertical: Axis::logarithmic("nanoseconds"),
            lines,
        }],
    })
}

fn hold<C: Contender>(contender: &C) -> io::Result<C::End> {
    contender.hold(device("/dev/null")?)
}

#[inline]
fn timed(call: impl FnOnce() -> isize) -> u64 {
    let began = Instant::now();
    black_box(call());
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(LONGEST)
}
