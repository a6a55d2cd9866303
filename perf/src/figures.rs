//! What has been measured.

use serde::{Deserialize, Serialize};

/// One number with a name, which budgets refer to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Times what it is compared with.
    Times,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Bytes,
    Instructions,
    /// Anything that can be counted.
    Count,
}

impl Unit {
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::Nanoseconds | Self::Microseconds | Self::Milliseconds | Self::Seconds)
    }
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { name: name.into(), value, unit }
    }

    /// The value with its unit.
    pub(crate) fn shown(&self) -> String {
        let value = self.value;
        match self.unit {
            Unit::Times => format!("{value:.3} x"),
            Unit::Nanoseconds => format!("{value:.1} ns"),
            Unit::Microseconds => format!("{value:.1} µs"),
            Unit::Milliseconds => format!("{value:.2} ms"),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Bytes => format!("{value:.0} bytes"),
            Unit::Instructions => format!("{value:.0} instructions"),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// One line of a plot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot, before it is drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plot {
    /// The name of its file.
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) horizontal: Axis,
    pub(crate) vertical: Axis,
    pub(crate) lines: Vec<Line>,
}

/// What an axis says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Axis {
    pub(crate) title: String,
    /// Equal steps are equal factors.
    pub(crate) logarithmic: bool,
    /// Marks with words of their own, at their positions.
    pub(crate) marks: Vec<(f64, String)>,
}

impl Axis {
    pub(crate) fn of(title: &str) -> Self {
        Self { title: title.into(), logarithmic: false, marks: Vec::new() }
    }

    pub(crate) fn logarithmic(title: &str) -> Self {
        Self { logarithmic: true, ..Self::of(title) }
    }
}

/// A heading, what it is about, and what was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// How it was measured, in a sentence or two.
    pub(crate) about: String,
    pub(crate) figures: Vec<Figure>,
    pub(crate) plots: Vec<Plot>,
}

/// The middle one of many.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
