//! A chart in cells: title, legend, plot with labels, x axis.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::Line,
};

use super::braille::{Board, Layer};
use super::chart::{Chart, Tone};
use super::legend;
use crate::colour::{Depth, strong};
use crate::number::{linear_ticks, log_ticks, tick};
use crate::paint::{hint, put, put_right, row, rows};
use crate::shared::Axis;

/// Width of the labels of the y axis.
const LABELS: u16 = 7;

/// A chart: title line, legend line, plot with labels, x axis.
pub(super) fn draw(chart: &Chart, arms: &[String], area: Rect, depth: Depth, buffer: &mut Buffer) {
    if area.width < 4 || area.height < 1 {
        return;
    }
    // The left margin keeps charts apart that stand side by side.
    let area = Rect {
        x: area.x + 1,
        width: area.width - 1,
        ..area
    };
    heading(chart, area, depth, buffer);
    let room = area.height - 1;
    if let Some(why) = why_empty(chart) {
        hint(buffer, rows(area, 1, room), why, depth);
        return;
    }
    let [_, legend, middle, below] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(room >= 6)),
        Constraint::Fill(1),
        Constraint::Length(u16::from(room >= 3)),
    ])
    .areas(area);
    let labels = if area.width > 3 * LABELS { LABELS } else { 0 };
    let columns = Layout::horizontal([Constraint::Length(labels), Constraint::Fill(1)]);
    let [margin, plot] = columns.areas(middle);
    let [_, axis] = columns.areas(below);
    legend::draw(&chart.legend, arms, legend, depth, buffer);
    y_axis(chart, margin, plot, depth, buffer);
    lines(chart, plot, depth, buffer);
    x_axis(chart, axis, depth, buffer);
}

/// What to say of a chart without a finite value.
fn why_empty(chart: &Chart) -> Option<&'static str> {
    let mut points = chart.lines.iter().flat_map(|line| &line.points);
    if points.any(|(_, y)| y.is_finite()) {
        None
    } else if !chart.marks.is_empty() {
        Some("no finite values")
    } else if chart.chosen == 0 {
        Some("nothing selected")
    } else if chart.runs == 0 {
        Some("nothing recorded yet")
    } else {
        Some("no positive values for a log axis")
    }
}

fn heading(chart: &Chart, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let x = put(buffer, area, area.x, &chart.signal, strong());
    let unit = match chart.unit {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let log = if chart.log { " log" } else { "" };
    let x = put(buffer, area, x, &format!("{unit}{log}"), depth.dim());
    let mut notes = Vec::new();
    if !chart.marks.is_empty() {
        notes.push((format!("✕ {} non-finite", chart.marks.len()), depth.bad()));
    }
    if chart.not_positive > 0 {
        let left_out = words::counted(chart.not_positive as u64, "value");
        notes.push((format!("{left_out} ≤ 0 not drawn"), depth.warn()));
    }
    let mut right = area.right();
    for (text, style) in notes {
        let width = Line::raw(text.as_str()).width() as u16;
        if right.saturating_sub(width + 2) > x {
            put_right(buffer, area, right, &text, style);
            right -= width + 2;
        }
    }
}

/// Where a value lies in the plot, in dots from its upper left corner.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    dots: (f64, f64),
}

impl Scale {
    fn new(chart: &Chart, plot: Rect) -> Self {
        let dots = (
            f64::from(plot.width) * 2.0 - 1.0,
            f64::from(plot.height) * 4.0 - 1.0,
        );
        Self {
            x: chart.x,
            y: chart.y,
            dots,
        }
    }

    fn at_x(&self, x: f64) -> f64 {
        (x - self.x.0) / (self.x.1 - self.x.0) * self.dots.0
    }

    fn at_y(&self, y: f64) -> f64 {
        (self.y.1 - y) / (self.y.1 - self.y.0) * self.dots.1
    }
}

fn lines(chart: &Chart, plot: Rect, depth: Depth, buffer: &mut Buffer) {
    let scale = Scale::new(chart, plot);
    let mut board = Board::new(plot.width, plot.height);
    for band in &chart.bands {
        let style = depth.arm_faint(band.arm);
        let dots = band
            .points
            .iter()
            .map(|(x, low, high)| (scale.at_x(*x), scale.at_y(*high), scale.at_y(*low)));
        let dots: Vec<_> = dots.collect();
        for (index, (x, top, bottom)) in dots.iter().enumerate() {
            // A point reaches as far as the next one, so that few points make no comb.
            let end = dots.get(index + 1).map_or(*x + 1.0, |next| next.0);
            for column in x.round().max(0.0) as usize..(end.round() as usize).min(board.dots_x()) {
                if top.is_finite() && bottom.is_finite() {
                    board.band(column, *top, *bottom, style);
                }
            }
        }
    }
    for line in &chart.lines {
        let (style, layer) = match line.tone {
            Tone::Faint => (depth.arm_faint(line.arm), Layer::Faint),
            Tone::Normal => (depth.arm(line.arm), Layer::Normal),
            Tone::Focus => (strong(), Layer::Focus),
        };
        let dots: Vec<_> = line
            .points
            .iter()
            .map(|(x, y)| (scale.at_x(*x), scale.at_y(*y)))
            .collect();
        for piece in dots
            .split(|(_, y)| !y.is_finite())
            .filter(|piece| !piece.is_empty())
        {
            board.line(piece[0], piece[0], style, layer);
            for pair in piece.windows(2) {
                board.line(pair[0], pair[1], style, layer);
            }
        }
    }
    board.render(plot, buffer);
    if !depth.coloured() {
        letters(chart, plot, &scale, buffer);
    }
    // Marks last: a lost run must not hide behind a curve.
    for (x, _) in &chart.marks {
        let column = (scale.at_x(*x).clamp(0.0, scale.dots.0) / 2.0) as u16;
        put(buffer, plot, plot.x + column, "✕", depth.bad());
    }
}

/// Without colours, every line ends with the letter of its arm.
fn letters(chart: &Chart, plot: Rect, scale: &Scale, buffer: &mut Buffer) {
    for line in chart.lines.iter().filter(|line| line.tone != Tone::Faint) {
        if let Some((x, y)) = line.points.iter().rev().find(|(_, y)| y.is_finite()) {
            let column = plot.x + (scale.at_x(*x).clamp(0.0, scale.dots.0) / 2.0) as u16;
            let y = plot.y + (scale.at_y(*y).clamp(0.0, scale.dots.1) / 4.0) as u16;
            let letter = legend::letter(line.arm).to_string();
            put(buffer, row(plot, y), column, &letter, Style::new());
        }
    }
}

fn y_axis(chart: &Chart, margin: Rect, plot: Rect, depth: Depth, buffer: &mut Buffer) {
    let scale = Scale::new(chart, plot);
    let wanted = usize::from(plot.height / 3).clamp(3, 8);
    let ticks = if chart.log {
        log_ticks(chart.y.0, chart.y.1, wanted)
    } else {
        let (values, step) = linear_ticks(chart.y.0, chart.y.1, wanted);
        values
            .into_iter()
            .map(|value| (value, tick(value, step)))
            .collect()
    };
    let mut taken = None;
    let mut above = String::new();
    for (value, label) in ticks {
        let dot = scale.at_y(value);
        if !(0.0..=scale.dots.1).contains(&dot) {
            continue;
        }
        let y = plot.y + (dot / 4.0) as u16;
        if taken == Some(y) {
            continue;
        }
        taken = Some(y);
        let line = "· ".repeat(usize::from(plot.width.div_ceil(2)));
        put(buffer, row(plot, y), plot.x, &line, depth.faint());
        // Where the range is so narrow that what there is room for looks alike, once is enough.
        let room = usize::from(margin.width.saturating_sub(1));
        let label: String = label.chars().take(room).collect();
        if label != above {
            let right = margin.right().saturating_sub(1);
            put_right(buffer, row(margin, y), right, &label, depth.dim());
        }
        above = label;
    }
}

fn x_axis(chart: &Chart, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let Some(axis) = chart.axis else { return };
    let title = match axis {
        Axis::Step => "step",
        Axis::Tokens => "tokens",
        Axis::Time => "time",
    };
    let name_width = title.len() as u16 + 1;
    let wanted = usize::from(area.width / 10).clamp(2, 10);
    let (ticks, step) = linear_ticks(chart.x.0, chart.x.1, wanted);
    let scale = Scale::new(chart, Rect { height: 1, ..area });
    let mut free = area.x;
    let end = area.right().saturating_sub(name_width);
    for value in ticks {
        let label = match axis {
            Axis::Step | Axis::Tokens => tick(value, step),
            Axis::Time => words::short_duration(value),
        };
        let width = label.chars().count() as u16;
        let middle = area.x + (scale.at_x(value) / 2.0) as u16;
        let x = middle.saturating_sub(width / 2).max(area.x);
        if x >= free && x + width <= end {
            put(buffer, area, x, &label, depth.dim());
            free = x + width + 1;
        }
    }
    put_right(buffer, area, area.right(), title, depth.dim());
}
