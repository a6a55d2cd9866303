//! From the death to the call that has come through, by hand and by libha in turn.

use std::io;

use ha_bench::recovery::{Rounds, Way};
use ha_bench::tables::many_descriptors;

use crate::figures::{Axis, Figure, Line, Plot, Section, Unit, median};

/// Rounds between two changes of turn.
const TURN: u64 = 5;

/// Median microseconds by hand, and what libha adds to them.
fn compared(way: Way, dups: usize, threads: usize, turns: usize) -> io::Result<(f64, f64)> {
    let by_hand = Rounds::by_hand(way, dups, threads)?;
    let with_libha = Rounds::with_libha(way, dups, threads)?;
    let (mut plain, mut added) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let hand = by_hand.play(TURN)?.as_secs_f64() * 1e6 / TURN as f64;
        let libha = with_libha.play(TURN)?.as_secs_f64() * 1e6 / TURN as f64;
        plain.push(hand);
        added.push(libha - hand);
    }
    Ok((median(&mut plain), median(&mut added)))
}

/// How many times as long as by hand a recovery takes, for one caller without dups.
pub(crate) fn ratios(turns: usize) -> io::Result<Vec<Figure>> {
    let ratio = |way: Way| {
        let (hand, added) = compared(way, 0, 1, turns)?;
        let name = format!("recovery, {}: against by hand", way.name());
        Ok(Figure::new(name, (hand + added) / hand, Unit::Times))
    };
    Way::ALL.into_iter().map(ratio).collect()
}

/// What looking for epoll instances costs, which is what a staged recovery does unless it is told where they are.
fn with_many_numbers(turns: usize) -> io::Result<Vec<Figure>> {
    let (told, asking) = (Rounds::with_libha(Way::Unix, 0, 1)?, Rounds::watched(Way::Unix)?);
    let added = |name: &str| -> io::Result<Figure> {
        let mut differences = Vec::new();
        for _ in 0..turns {
            let told = told.play(TURN)?.as_secs_f64();
            differences.push((asking.play(TURN)?.as_secs_f64() - told) * 1e6 / TURN as f64);
        }
        Ok(Figure::new(
            format!("Unix, looking for epoll instances among {name}"),
            median(&mut differences),
            Unit::Microseconds,
        ))
    };
    let among_few = added("few numbers")?;
    let many = many_descriptors(2_000)?;
    Ok(vec![among_few, added(&format!("{} numbers", many.len()))?])
}

pub(crate) fn section(turns: usize) -> io::Result<Section> {
    let mut figures = ratios(turns)?;
    let mut by_dups = Vec::new();
    let mut by_threads = Vec::new();
    for way in Way::ALL {
        let name = way.name();
        let mut lines = [
            Line { name: format!("{name}, by hand"), points: vec![] },
            Line { name: format!("{name}, libha"), points: vec![] },
        ];
        for dups in [0, 3, 15] {
            let (hand, added) = compared(way, dups, 1, turns)?;
            lines[0].points.push((dups as f64, hand));
            lines[1].points.push((dups as f64, hand + added));
            figures.push(Figure::new(format!("{name}, {dups} dups: by hand"), hand, Unit::Microseconds));
            figures.push(Figure::new(format!("{name}, {dups} dups: libha adds"), added, Unit::Microseconds));
        }
        by_dups.extend(lines);
        if way == Way::File {
            continue;
        }
        let mut lines = [
            Line { name: format!("{name}, by hand"), points: vec![] },
            Line { name: format!("{name}, libha"), points: vec![] },
        ];
        for threads in [1, 8, 64] {
            let (hand, added) = compared(way, 7, threads, turns.div_ceil(4))?;
            lines[0].points.push((threads as f64, hand));
            lines[1].points.push((threads as f64, hand + added));
            let which = format!("{name}, 7 dups, {threads} threads");
            figures.push(Figure::new(format!("{which}: by hand"), hand, Unit::Microseconds));
            figures.push(Figure::new(format!("{which}: libha adds"), added, Unit::Microseconds));
        }
        by_threads.extend(lines);
    }
    figures.extend(with_many_numbers(turns)?);
    let plot = |file: &str, title: &str, horizontal, lines| Plot {
        file: file.into(),
        title: title.into(),
        horizontal,
        vertical: Axis::logarithmic("microseconds"),
        lines,
    };
    Ok(Section {
        title: "Recovery".into(),
        about:
            "From the reset to the moment when every thread's call has come through: found out, connected again, put \
                under every number, called again. By hand means the same calls written for the one case. libha is told that \
                no epoll instance watches, but where it says so: else it asks every number of the process whether it is one."
                .into(),
        figures,
        plots: vec![
            plot("recovery-dups", "A recovery, with so many dups", Axis::of("dups"), by_dups),
            plot(
                "recovery-threads",
                "A recovery, with so many threads that meet the death",
                Axis::logarithmic("threads"),
                by_threads,
            ),
        ],
    })
}
