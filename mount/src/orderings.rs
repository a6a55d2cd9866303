//! Every ordering stronger than Relaxed, found and made weakenable.

use std::fmt::Write as _;

/// An ordering in core, and one way to weaken it.
#[derive(Debug)]
pub(crate) struct Site {
    /// Where: `table/slot.rs word`, with a count if the function has several.
    place: String,
    /// The edge that the comment above it names.
    edge: String,
    from: &'static str,
    to: &'static str,
}

/// What an ordering can become. An AcqRel loses one half at a time; a fence cannot be Relaxed.
fn weaker(ordering: &str) -> &'static [(&'static str, &'static str)] {
    match ordering {
        "Acquire" => &[("Acquire", "Relaxed")],
        "Release" => &[("Release", "Relaxed")],
        "AcqRel" => &[("AcqRel", "Acquire"), ("AcqRel", "Release")],
        "SeqCst" => &[("SeqCst", "AcqRel")],
        _ => &[],
    }
}

/// Rewrites a file, and notes what it has found.
pub(crate) fn weaken(file: &str, text: &str, sites: &mut Vec<Site>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut function = "";
    let mut count = 0;
    let mut edge = None;
    let mut is_code = true;
    for line in text.lines() {
        // The tests at the end of a file are core's own.
        is_code &= line != "#[cfg(any())]";
        let trimmed = line.trim_start();
        if trimmed.starts_with("//") {
            edge = edge_in(trimmed).or(edge);
        } else if let Some(name) = function_in(trimmed) {
            (function, count) = (name, 0);
        }
        if !is_code || trimmed.starts_with("//") {
            out.push_str(line);
        } else {
            let mut rest = line;
            while let Some(position) = rest.find("Ordering::") {
                let (before, after) = rest.split_at(position + "Ordering::".len());
                let end = after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len());
                let (ordering, behind) = after.split_at(end);
                let mutants = weaker(ordering);
                if mutants.is_empty() {
                    out.push_str(before);
                    out.push_str(ordering);
                } else {
                    count += 1;
                    let edge = edge
                        .unwrap_or_else(|| panic!("core/src/{file}: {function} uses {ordering} without a named edge"));
                    let first = sites.len();
                    sites.extend(mutants.iter().map(|(from, to)| Site {
                        place: format!("{file} {function} {count}"),
                        edge: edge.to_owned(),
                        from,
                        to,
                    }));
                    out.push_str(before.strip_suffix("Ordering::").unwrap_or(before));
                    let _ = write!(out, "crate::mutants::weaken({first}..{}, Ordering::{ordering})", sites.len());
                }
                rest = behind;
            }
            out.push_str(rest);
        }
        out.push('\n');
        if matches!(line, "}" | "    }") {
            edge = None;
        }
    }
    out
}

/// `[publish]` in "Release \[publish\]: pairs with ...".
fn edge_in(comment: &str) -> Option<&str> {
    let strong = ["Acquire [", "Release [", "SeqCst ["];
    let start = strong.iter().find_map(|strong| Some(comment.find(strong)? + strong.len()))?;
    comment[start..].split(']').next()
}

fn function_in(line: &str) -> Option<&str> {
    let start = line.find("fn ")?;
    line[start + 3..].split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// Lists the sites as Rust source.
pub(crate) fn list(sites: &[Site], out: &mut String) {
    out.push_str("pub(crate) const ORDERINGS: &[(&str, &str, &str, &str)] = &[\n");
    for Site { place, edge, from, to } in sites {
        let _ = writeln!(out, "    ({place:?}, {edge:?}, {from:?}, {to:?}),");
    }
    out.push_str("];\n");
}
