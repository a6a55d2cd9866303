//! Time against libc's call, interleaved in one process.
//!
//! A processor overlaps what it can, and a few instructions more or less decide whether something fits into a gap of the
//! system call or not: 2 ns, in either direction. So between the calls stands other work, more of it from round to
//! round, and what counts is the mean over all of it.

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use ha_bench::contender::{Api, Contender, Covering, Direct, LookedUp, Plain, Uncovered};
use ha_bench::library::{Attached, Calls, Library};
use ha_bench::places::device;
use ha_bench::tables::many_descriptors;

use crate::figures::{Axis, Figure, Line, Plot, Unit, median};

/// Calls between two looks at the clock.
const BATCH: u32 = 100;
/// Different amounts of work between calls.
const SPACINGS: u32 = 24;

/// A contender, ready to make a batch of calls with so much work between them; returns nanoseconds a call.
type Batch<'a> = Box<dyn FnMut(u32) -> f64 + 'a>;

fn batch<'a>(mut call: impl FnMut() -> isize + 'a) -> Batch<'a> {
    Box::new(move |spacing| {
        let mut moved = 0;
        let began = Instant::now();
        for _ in 0..BATCH {
            moved += black_box(call());
            for step in 0..spacing {
                black_box(step);
            }
        }
        let spent = began.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH);
        // A call that has failed may be as quick as it likes: no budget is kept by what is no number.
        if moved == BATCH as isize { spent } else { f64::NAN }
    })
}

/// How much longer than the first one the others take.
struct Compared {
    /// Nanoseconds of the first one.
    plain: f64,
    /// Nanoseconds that each of the others adds.
    added: Vec<f64>,
}

fn compare(mut plain: Batch<'_>, mut others: Vec<Batch<'_>>, rounds: usize) -> Compared {
    let mut sums = vec![0.0; others.len()];
    let mut alone = f64::INFINITY;
    for spacing in 0..SPACINGS {
        let mut differences = vec![Vec::with_capacity(rounds); others.len()];
        let mut before = plain(spacing);
        let mut all_plain = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            for (other, differences) in others.iter_mut().zip(&mut differences) {
                let its = other(spacing);
                let after = plain(spacing);
                differences.push(its - f64::midpoint(before, after));
                all_plain.push(after);
                before = after;
            }
        }
        alone = alone.min(median(&mut all_plain));
        for (sum, differences) in sums.iter_mut().zip(&mut differences) {
            *sum += median(differences);
        }
    }
    Compared { plain: alone, added: sums.into_iter().map(|sum| sum / f64::from(SPACINGS)).collect() }
}

/// Ratios of one-byte calls. `rounds` of each amount of work.
pub(crate) fn figures(library: &Library, process: &str, rounds: usize) -> io::Result<Vec<Figure>> {
    let libc = Calls::libc()?;
    let mut figures = Vec::new();
    for (what, path) in [("write", "/dev/null"), ("read", "/dev/zero")] {
        let by_libc = prepared(Plain(libc), what, path)?;
        let others = vec![
            prepared(Uncovered(*library), what, path)?,
            prepared(Covering(*library), what, path)?,
            prepared(Wrapped(libc), what, path)?,
            prepared(LookedUp::<Mutex<HashMap<RawFd, Arc<RawFd>>>>::with(libc), what, path)?,
            prepared(LookedUp::<RwLock<HashMap<RawFd, Arc<RawFd>>>>::with(libc), what, path)?,
            prepared(LookedUp::<DashMap<RawFd, Arc<RawFd>>>::with(libc), what, path)?,
            prepared(LookedUp::<papaya::HashMap<RawFd, Arc<RawFd>>>::with(libc), what, path)?,
            prepared(LookedUp::<Vec<ArcSwapOption<RawFd>>>::with(libc), what, path)?,
        ];
        let found = compare(by_libc, others, rounds);
        let mut add = |name: &str, added: f64| {
            figures.push(Figure::new(format!("{what}, {process}: {name}"), 1.0 + added / found.plain, Unit::Times));
        };
        add("uncovered number", found.added[0]);
        add("covered number", found.added[1]);
        add("a wrapper that only calls and returns", found.added[2]);
        for (name, added) in ["mutex", "rwlock", "dashmap", "papaya", "arc-swap"].into_iter().zip(&found.added[3..]) {
            add(&format!("a table of one's own, {name}"), *added);
        }
        let wrapper = found.plain + found.added[2];
        let against = (found.plain + found.added[1]) / wrapper;
        figures.push(Figure::new(
            format!("{what}, {process}: covered number against the wrapper"),
            against,
            Unit::Times,
        ));
        figures.push(Figure::new(format!("{what}, {process}: libc"), found.plain, Unit::Nanoseconds));
        let found = compare(prepared(Direct, what, path)?, vec![prepared(Api, what, path)?], rounds);
        figures.push(Figure::new(
            format!("{what}, {process}: Rust API against rustix"),
            1.0 + found.added[0] / found.plain,
            Unit::Times,
        ));
    }
    Ok(figures)
}

fn prepared<C: Contender + 'static>(contender: C, what: &str, path: &str) -> io::Result<Batch<'static>>
where
    C::End: 'static,
{
    let end = contender.hold(device(path)?)?;
    let mut byte = [0; 1];
    ha_bench::verify(contender.name(), &contender.write(&end, &byte), &1)?;
    Ok(if what == "write" {
        batch(move || contender.write(&end, black_box(&byte)))
    } else {
        batch(move || contender.read(&end, black_box(&mut byte)))
    })
}

/// libc's call in a function that looks at the result: the least that a cover of any library can be.
struct Wrapped(Calls);

impl Wrapped {
    #[inline(never)]
    fn write_and_look(&self, number: RawFd, bytes: &[u8]) -> isize {
        let moved = self.0.write(number, bytes);
        if moved < bytes.len() as isize { not_enough(moved) } else { moved }
    }

    #[inline(never)]
    fn read_and_look(&self, number: RawFd, buffer: &mut [u8]) -> isize {
        let moved = self.0.read(number, buffer);
        if moved <= 0 { not_enough(moved) } else { moved }
    }
}

#[cold]
#[inline(never)]
fn not_enough(moved: isize) -> isize {
    black_box(moved)
}

impl Contender for Wrapped {
    type End = OwnedFd;

    fn name(&self) -> &'static str {
        "a wrapper"
    }

    fn hold(&self, descriptor: OwnedFd) -> io::Result<OwnedFd> {
        Ok(descriptor)
    }

    #[inline]
    fn write(&self, end: &OwnedFd, bytes: &[u8]) -> isize {
        self.write_and_look(end.as_raw_fd(), bytes)
    }

    #[inline]
    fn read(&self, end: &OwnedFd, buffer: &mut [u8]) -> isize {
        self.read_and_look(end.as_raw_fd(), buffer)
    }
}

/// The success path against the number of covered descriptors: it must be flat.
pub(crate) fn against_covered_numbers(library: &Library, rounds: usize) -> io::Result<Plot> {
    let libc = Calls::libc()?;
    let mut lines =
        [("uncovered number", vec![]), ("covered, the lowest number", vec![]), ("covered, the highest", vec![])];
    for count in [1, 10, 100, 1_000, 10_000, 100_000] {
        let descriptors = many_descriptors(count)?;
        let enough = descriptors.len() == count;
        let covered: Vec<Attached> =
            descriptors.into_iter().map(|descriptor| library.attach(descriptor)).collect::<Result<_, _>>()?;
        let by_number = |end: &&Attached| end.number();
        let (lowest, highest) = (covered.iter().min_by_key(by_number), covered.iter().max_by_key(by_number));
        let (Some(lowest), Some(highest), true) = (lowest, highest, enough) else { break };
        let byte = [0; 1];
        let by_libc = prepared(Plain(libc), "write", "/dev/null")?;
        let others = vec![
            prepared(Uncovered(*library), "write", "/dev/null")?,
            batch(|| library.covers.write(lowest.number(), black_box(&byte))),
            batch(|| library.covers.write(highest.number(), black_box(&byte))),
        ];
        let found = compare(by_libc, others, rounds);
        for ((_, points), added) in lines.iter_mut().zip(found.added) {
            points.push((count as f64, 1.0 + added / found.plain));
        }
    }
    Ok(Plot {
        file: "covered-numbers".into(),
        title: "A one-byte write to /dev/null, with so many numbers covered".into(),
        horizontal: Axis::logarithmic("covered numbers in the process"),
        vertical: Axis::of("times libc's call"),
        lines: lines.map(|(name, points)| Line { name: name.into(), points }).into(),
    })
}
