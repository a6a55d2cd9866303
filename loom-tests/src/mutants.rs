//! Which mutant lives in this process: at most one, named by the variable `HA_MUTANT`.

use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

static ALIVE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("HA_MUTANT").ok());

/// How the mutant of an ordering is named.
pub(crate) fn name_of_ordering(index: usize) -> String {
    format!("ordering {index}")
}

static WEAKENED: LazyLock<Option<usize>> =
    LazyLock::new(|| (0..crate::ORDERINGS.len()).find(|index| is(&name_of_ordering(*index))));

/// Whether this mutant lives.
pub(crate) fn is(name: &str) -> bool {
    ALIVE.as_deref() == Some(name)
}

/// `ordering`, unless one of its mutants lives: they are those of `ORDERINGS` in this range.
pub(crate) fn weaken(mutants: Range<usize>, ordering: Ordering) -> Ordering {
    match *WEAKENED {
        Some(index) if mutants.contains(&index) => match crate::ORDERINGS[index].3 {
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            "AcqRel" => Ordering::AcqRel,
            _ => Ordering::Relaxed,
        },
        _ => ordering,
    }
}
