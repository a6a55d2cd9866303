//! Tests that cannot show anything here.

/// Says loudly why a test has shown nothing.
pub(crate) fn skipped(why: &str) {
    use std::io::Write;
    // Not `eprintln`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
