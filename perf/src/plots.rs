//! Plots, as SVG.

use std::io;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::figures::{Axis, Plot};

const SIZE: (u32, u32) = (900, 420);
/// Where the plot ends and its legend begins.
const LEGEND: i32 = 690;
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 84, 18),
    RGBColor(44, 140, 44),
    RGBColor(190, 40, 50),
    RGBColor(125, 90, 180),
    RGBColor(130, 85, 70),
    RGBColor(200, 80, 170),
    RGBColor(90, 90, 90),
];

pub(crate) fn draw(plot: &Plot) -> io::Result<String> {
    let mut svg = String::new();
    paint(plot, &mut svg).map_err(|why| io::Error::other(format!("{}: {why}", plot.title)))?;
    Ok(svg)
}

fn paint(plot: &Plot, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let (horizontal, vertical) = (
        Scale::around(&plot.horizontal, points().map(|point| point.0)),
        Scale::around(&plot.vertical, points().map(|point| point.1)),
    );
    let (area, legend) = root.split_horizontally(LEGEND);
    let mut chart = ChartBuilder::on(&area)
        .caption(&plot.title, ("sans-serif", 19))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(horizontal, vertical)?;
    chart
        .configure_mesh()
        .x_desc(&plot.horizontal.title)
        .y_desc(&plot.vertical.title)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (position, line) in plot.lines.iter().enumerate() {
        let colour = COLOURS[position % COLOURS.len()];
        chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
        let middle = 56 + 22 * position as i32;
        legend.draw(&PathElement::new([(0, middle), (22, middle)], colour.stroke_width(3)))?;
        let words = ("sans-serif", 14).into_font().color(&BLACK);
        legend.draw(&Text::new(line.name.clone(), (30, middle - 7), words))?;
        if line.points.len() <= 40 {
            chart.draw_series(line.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        }
    }
    root.present()?;
    Ok(())
}

/// An axis with its reach and its marks.
struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    marks: Vec<(f64, String)>,
}

impl Scale {
    fn around(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if !low.is_finite() {
            return Self { from: 0.0, to: 1.0, logarithmic: false, marks: axis.marks.clone() };
        }
        if axis.logarithmic {
            let (from, to) = (low.max(1e-9) / 1.3, high.max(1e-9) * 1.5);
            return Self { from, to, logarithmic: true, marks: axis.marks.clone() };
        }
        // A ratio is seen for what it is when one is on the axis; everything else begins at nothing.
        let from = if axis.title.starts_with("times") { low.min(0.98) } else { low.min(0.0) };
        let room = if axis.marks.is_empty() { 0.08 } else { 0.03 };
        let to = if axis.title.starts_with("times") { high.max(1.06) } else { high + (high - from) * room };
        Self { from, to: to.max(from + 1e-9), logarithmic: false, marks: axis.marks.clone() }
    }

    fn part(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        begin + (self.part(*value) * f64::from(end - begin)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if !self.marks.is_empty() {
            return self.marks.iter().map(|(position, _)| *position).collect();
        }
        let wanted = hint.max_num_points().min(9) as f64;
        let mut points = Vec::new();
        if self.logarithmic {
            let decades = (self.to / self.from).log10();
            let steps: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let mut decade = 10f64.powf(self.from.log10().floor());
            while decade <= self.to {
                points.extend(steps.iter().map(|step| step * decade));
                decade *= 10.0;
            }
        } else {
            let rough = (self.to - self.from) / wanted;
            let power = 10f64.powf(rough.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
            let step = step.unwrap_or(rough);
            let first = (self.from / step).ceil() as i64;
            let last = (self.to / step).floor() as i64;
            points.extend((first..=last).map(|position| position as f64 * step));
        }
        points.retain(|point| (self.from..=self.to).contains(point));
        points
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        if let Some((_, words)) = self.marks.iter().find(|(position, _)| position == value) {
            return words.clone();
        }
        let rounded = (value * 1e4).round() / 1e4;
        if rounded >= 10_000.0 {
            return format!("{} {:03}", rounded as i64 / 1000, rounded as i64 % 1000);
        }
        format!("{rounded}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Line;

    #[test]
    fn a_plot_has_its_lines_and_marks() {
        let plot = Plot {
            file: "plot".into(),
            title: "A plot".into(),
            horizontal: Axis::logarithmic("numbers"),
            vertical: Axis::of("times libc's call"),
            lines: vec![Line { name: "a line".into(), points: vec![(1.0, 1.0), (1_000.0, 1.01)] }],
        };
        let svg = draw(&plot).unwrap();
        assert!(svg.contains("A plot") && svg.contains("a line") && svg.contains("1000"), "{svg}");
    }

    #[test]
    fn a_plot_without_points_is_empty_and_no_panic() {
        let empty = Plot {
            file: "empty".into(),
            title: "Empty".into(),
            horizontal: Axis::of("x"),
            vertical: Axis::logarithmic("y"),
            lines: vec![],
        };
        assert!(draw(&empty).is_ok());
    }
}
