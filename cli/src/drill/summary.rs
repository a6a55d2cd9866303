//! The report as people read it: one line per transport, then the verdict.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};

use super::options::Client;
use super::report::{Drilled, Outcome, Report};

/// The last four columns are times: three of a recovery, one of a call.
const COLUMNS: [&str; 13] = [
    "",
    "calls",
    "kills",
    "epi-\nsodes",
    "recov-\neries",
    "lost",
    "dupli-\ncated",
    "cor-\nrupted",
    "retrans-\nmitted",
    "recovery\np50",
    "\np99",
    "\nmax",
    "slowest\ncall",
];

/// Lines above, below and under the header, and none in between: the fewest with which columns stay readable.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// Writes the whole report.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.transports.iter().any(|outcome| matches!(outcome, Outcome::Drilled(_))) {
        writeln!(out, "{}", table(report))?;
    }
    for outcome in &report.transports {
        match outcome {
            Outcome::Drilled(drilled) => write_failures(drilled, out)?,
            Outcome::Skipped { transport, skipped, .. } => writeln!(out, "{transport} was skipped: {skipped}")?,
            Outcome::Failed { transport, failed } => writeln!(out, "{transport} failed: {failed}")?,
            Outcome::NotReached { transport, .. } => writeln!(out, "{transport} was not reached")?,
        }
    }
    if report.passed {
        let client = match report.client {
            Client::Rust => "",
            Client::Libc => "clients that call libc, ",
        };
        writeln!(
            out,
            "Passed: {} kills, nothing lost, duplicated or corrupted, nobody hung ({client}seed {}).",
            report.kills, report.seed
        )
    } else {
        writeln!(out, "FAILED. Repeat with: {}", report.repeat)
    }
}

fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(COLUMNS);
    for outcome in &report.transports {
        if let Outcome::Drilled(drilled) = outcome {
            table.add_row(row(drilled));
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(drilled: &Drilled) -> Vec<Cell> {
    let mut cells = vec![Cell::new(drilled.transport)];
    let counts = [
        drilled.calls,
        drilled.kills,
        drilled.episodes,
        drilled.recoveries,
        drilled.lost,
        drilled.duplicated,
        drilled.corrupted,
        drilled.retransmitted,
    ];
    cells.extend(counts.into_iter().map(Cell::new));
    let latency = drilled.recovery_us;
    let times = [latency.p50, latency.p99, latency.max, drilled.slowest_call_us];
    cells.extend(times.into_iter().map(|time| Cell::new(micros(time))));
    cells
}

fn write_failures(drilled: &Drilled, out: &mut dyn Write) -> io::Result<()> {
    for fault in &drilled.faults {
        writeln!(out, "{}: {fault}", drilled.transport)?;
    }
    if let Some(unproven) = drilled.unproven() {
        writeln!(out, "{}: {unproven}", drilled.transport)?;
    }
    if !drilled.hung.is_empty() {
        writeln!(out, "{} hung:", drilled.transport)?;
    }
    for thread in &drilled.hung {
        writeln!(out, "  {thread}")?;
    }
    Ok(())
}

/// A time with three digits at most and a unit.
fn micros(micros: u64) -> String {
    let time = micros as f64;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", time / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", time / 1e3),
        _ => format!("{:.1} s", time / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::options::Transport;
    use crate::drill::scene::Scene;

    fn report(change: impl FnOnce(&mut Drilled)) -> String {
        let drilled = Drilled::of(&Scene::new(Transport::Tcp, 1).unwrap());
        let mut drilled = Drilled { kills: 9, recoveries: 9, ..drilled };
        change(&mut drilled);
        let transports = vec![Outcome::Drilled(Box::new(drilled))];
        let report = Report {
            passed: Report::passes(&transports),
            seed: 5,
            repeat: "ha drill --seed 5".to_owned(),
            client: Client::Libc,
            threads: 1,
            dups: 1,
            kills: 9,
            transports,
        };
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_short() {
        assert_eq!([0, 999, 1_500, 48_000, 2_340_000].map(micros), ["0 µs", "999 µs", "1.5 ms", "48 ms", "2.3 s"]);
    }

    #[test]
    fn a_failed_drill_says_how_to_repeat_it_and_where_threads_hang() {
        let text = report(|drilled| drilled.hung.push("reader: recv".to_owned()));
        assert!(text.contains("tcp hung:\n  reader: recv"), "{text}");
        assert!(text.ends_with("FAILED. Repeat with: ha drill --seed 5\n"), "{text}");
    }

    #[test]
    fn a_passed_drill_says_so() {
        let text = report(|_| ());
        assert!(text.contains("Passed: 9 kills") && text.contains("(clients that call libc, seed 5)"), "{text}");
    }

    #[test]
    fn a_drill_without_kills_says_that_it_proves_nothing() {
        let text = report(|drilled| drilled.kills = 0);
        assert!(text.contains("tcp: no server was killed") && text.contains("FAILED"), "{text}");
    }
}
