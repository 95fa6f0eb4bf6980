//! A chart in cells: title, legend, plot with labels, x axis.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::Line,
};

use super::chart::{self, Band, Chart, Named, Tone};
use super::names::{self, Names};
use super::reduce::Point;
use crate::braille::{Board, Layer};
use crate::colour::{Depth, strong};
use crate::number::{compact, count, fitted, linear_ticks, log_ticks, tick};
use crate::paint::{cut_middle, hint, put, put_right, row, rows};
use crate::shared::{Axis, Mark, MarkKind};

/// Width of the labels of the y axis.
const LABELS: u16 = 7;

/// A chart with what tells its lines apart and what happened on the way.
pub(super) struct Shown<'a> {
    pub(super) chart: &'a Chart,
    /// Of which runs it is, where it is not of all.
    pub(super) facet: Option<&'a str>,
    pub(super) marks: &'a [Mark],
    pub(super) names: &'a Names,
    /// The run under the cursor and its arm, which is drawn on top of the others.
    pub(super) focus: (usize, usize),
    /// Whether only that arm has its band.
    pub(super) crowded: bool,
    /// Whether nothing more is recorded.
    pub(super) ended: bool,
    /// Whether keys change its signal, where there are several.
    pub(super) active: bool,
}

/// Where the parts of a chart are.
struct Parts {
    legend: Rect,
    margin: Rect,
    plot: Rect,
    beside: Rect,
    axis: Rect,
}

impl Parts {
    fn of(shown: &Shown, area: Rect, depth: Depth) -> Self {
        let room = area.height - 1;
        let [_, legend, middle, below] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(u16::from(room >= 6)),
            Constraint::Fill(1),
            Constraint::Length(u16::from(room >= 3)),
        ])
        .areas(area);
        let labels = if area.width > 3 * LABELS { LABELS } else { 0 };
        let names = shown.names.width(shown.chart, area, depth);
        let columns = Layout::horizontal([
            Constraint::Length(labels),
            Constraint::Fill(1),
            Constraint::Length(names),
        ]);
        let [margin, plot, beside] = columns.areas(middle);
        let [_, axis, _] = columns.areas(below);
        Self {
            legend,
            margin,
            plot,
            beside,
            axis,
        }
    }
}

/// Where a chart is drawn and where its y axis is labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) plot: Rect,
    pub(super) margin: Rect,
}

/// The fields of a chart in an area; none where nothing is drawn.
pub(super) fn fields(shown: &Shown, area: Rect) -> Option<Fields> {
    if area.width < 4 || area.height < 1 || why_empty(shown).is_some() {
        return None;
    }
    // Colours take no room.
    let Parts { plot, margin, .. } = Parts::of(shown, inset(area), Depth::Mono);
    (!plot.is_empty()).then_some(Fields { plot, margin })
}

/// The left margin keeps charts apart that stand side by side.
fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 1,
        width: area.width - 1,
        ..area
    }
}

/// A chart: title line, legend line, plot with labels and names, x axis.
pub(super) fn draw(shown: &Shown, area: Rect, depth: Depth, buffer: &mut Buffer) {
    if area.width < 4 || area.height < 1 {
        return;
    }
    let area = inset(area);
    let chart = shown.chart;
    heading(shown, area, depth, buffer);
    if let Some(why) = why_empty(shown) {
        hint(buffer, rows(area, 1, area.height - 1), why, depth);
        return;
    }
    let parts = Parts::of(shown, area, depth);
    if parts.plot.is_empty() {
        return;
    }
    shown.names.above(chart, parts.legend, depth, buffer);
    y_axis(chart, parts.margin, parts.plot, depth, buffer);
    lines(shown, parts.plot, depth, buffer);
    if !parts.beside.is_empty() {
        let scale = Scale::new(chart, parts.plot);
        let at = |named: &Named| {
            (scale
                .at_y(chart.scale(named.value))
                .clamp(0.0, scale.dots.1)
                / 4.0) as u16
        };
        let ends: Vec<(usize, u16)> = chart.legend.iter().map(at).enumerate().collect();
        shown
            .names
            .beside((chart, shown.focus), &ends, parts.beside, depth, buffer);
    }
    x_axis(chart, parts.axis, depth, buffer);
}

/// What to say of a chart without a finite value.
fn why_empty(shown: &Shown) -> Option<&'static str> {
    let chart = shown.chart;
    let mut points = chart.lines.iter().flat_map(|line| &line.points);
    if points.any(|(_, y)| y.is_finite()) {
        None
    } else if !chart.marks.is_empty() {
        Some("no finite values")
    } else if chart.chosen == 0 {
        Some("nothing selected")
    } else if chart.runs == 0 {
        Some(if shown.ended {
            "not recorded"
        } else {
            "nothing recorded yet"
        })
    } else if chart.choices.zoom.is_some() {
        Some("nothing in this part; 0 shows all")
    } else {
        Some("no positive values for a log axis")
    }
}

fn heading(shown: &Shown, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let chart = shown.chart;
    let x = if shown.active {
        put(buffer, area, area.x, "▸ ", depth.accent())
    } else {
        area.x
    };
    let x = put(buffer, area, x, &chart.signal, strong());
    let unit = match chart.unit {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let log = if chart.log { " log" } else { "" };
    let unit = format!("{unit}{log}");
    let facet = shown
        .facet
        .map_or_else(String::new, |facet| format!(" · {facet}"));
    let width = |text: &str| Line::raw(text).width() as u16;
    // The unit is that of every facet, and the value is not.
    let room = area.right().saturating_sub(x);
    let unit = Some(unit).filter(|unit| facet.is_empty() || width(unit) + width(&facet) <= room);
    let x = put(buffer, area, x, &unit.unwrap_or_default(), depth.dim());
    let facet = cut_middle(&facet, area.right().saturating_sub(x));
    let x = put(buffer, area, x, &facet, depth.accent());
    let mut notes = Vec::new();
    if let Some(at) = chart.choices.cursor {
        notes.push((
            format!(
                "values at {} {}",
                chart.choices.axis.name(),
                place(at, chart)
            ),
            depth.accent(),
        ));
    }
    if chart.limited {
        let at = |y: f64| compact(if chart.log { 10f64.powf(y) } else { y });
        let text = format!("y {}–{}", at(chart.y.0), at(chart.y.1));
        notes.push((text, depth.accent()));
    }
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

/// A place on the x axis: a step as people count them, since nothing is recorded between two.
fn place(at: f64, chart: &Chart) -> String {
    match chart.choices.axis {
        Axis::Time => words::short_duration(at),
        Axis::Step | Axis::Samples | Axis::Tokens => count(at.max(0.0) as u64),
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

fn lines(shown: &Shown, plot: Rect, depth: Depth, buffer: &mut Buffer) {
    let chart = shown.chart;
    let scale = Scale::new(chart, plot);
    let mut board = Board::new(plot.width, plot.height);
    let bands = chart.bands.iter();
    for band in bands.filter(|band| !shown.crowded || band.arm == shown.focus.1) {
        draw_band(
            band,
            &scale,
            depth.arm_faint(shown.names.ink(band.arm)),
            &mut board,
        );
    }
    // The arm under the cursor last, on top of the others.
    let on_top = |line: &&chart::Line| shown.focus.1 == line.arm && line.tone != Tone::Faint;
    let (top, below): (Vec<&chart::Line>, Vec<&chart::Line>) = chart.lines.iter().partition(on_top);
    for line in below.into_iter().chain(top) {
        let ink = shown.names.ink(line.arm);
        let (style, layer) = match line.tone {
            Tone::Faint => (depth.arm_faint(ink), Layer::Faint),
            Tone::Normal => (depth.arm(ink), Layer::Normal),
            Tone::Focus => (strong(), Layer::Focus),
        };
        draw_line(&line.points, &scale, style, layer, &mut board);
    }
    board.render(plot, buffer);
    if !depth.coloured() {
        letters(chart, plot, &scale, buffer);
    }
    marks(shown, plot, &scale, depth, buffer);
}

fn draw_band(band: &Band, scale: &Scale, style: Style, board: &mut Board) {
    let points = band.points.iter();
    let dots: Vec<_> = points
        .map(|(x, low, high)| (scale.at_x(*x), scale.at_y(*high), scale.at_y(*low)))
        .collect();
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

fn draw_line(points: &[Point], scale: &Scale, style: Style, layer: Layer, board: &mut Board) {
    let dots: Vec<_> = points
        .iter()
        .map(|(x, y)| (scale.at_x(*x), scale.at_y(*y)))
        .collect();
    let pieces = dots.split(|(_, y)| !y.is_finite());
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        board.line(piece[0], piece[0], style, layer);
        for pair in piece.windows(2) {
            board.line(pair[0], pair[1], style, layer);
        }
    }
}

/// The cursor, and what happened: alarms at the top, what was done to the run at the bottom. Lost values last: a lost run must
/// not hide behind anything.
fn marks(shown: &Shown, plot: Rect, scale: &Scale, depth: Depth, buffer: &mut Buffer) {
    let choices = shown.chart.choices;
    let column = |x: f64| {
        let x = if choices.log_x { x.log10() } else { x };
        let dot = scale.at_x(x);
        (0.0..=scale.dots.0)
            .contains(&dot)
            .then_some(plot.x + (dot / 2.0) as u16)
    };
    if let Some(x) = choices.cursor.and_then(column) {
        for row in plot.rows() {
            put(buffer, row, x, "│", depth.accent());
        }
    }
    for mark in shown.marks {
        let (y, style) = match mark.kind {
            MarkKind::Alarm => (plot.y, depth.arm(mark.ink)),
            MarkKind::Attempt | MarkKind::Intervention | MarkKind::Fork => {
                (plot.bottom().saturating_sub(1), depth.accent())
            }
        };
        if let Some(x) = column(mark.x) {
            put(buffer, row(plot, y), x, mark.kind.glyph(), style);
        }
    }
    for (x, _) in &shown.chart.marks {
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
            let letter = names::letter(line.arm).to_string();
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
        let value = if chart.log { 10f64.powf(value) } else { value };
        let label = fitted(&label, value, room);
        if label != above {
            let right = margin.right().saturating_sub(1);
            put_right(buffer, row(margin, y), right, &label, depth.dim());
        }
        above = label;
    }
}

fn x_axis(chart: &Chart, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let Some(axis) = chart.axis else { return };
    let title = if chart.choices.log_x {
        format!("{} log", axis.name())
    } else {
        axis.name().to_owned()
    };
    let name_width = title.len() as u16 + 1;
    let wanted = usize::from(area.width / 10).clamp(2, 10);
    let ticks = x_ticks(chart, axis, wanted);
    let scale = Scale::new(chart, Rect { height: 1, ..area });
    let mut free = area.x;
    let end = area.right().saturating_sub(name_width);
    for (value, label) in ticks {
        let width = label.chars().count() as u16;
        let middle = area.x + (scale.at_x(value) / 2.0) as u16;
        let x = middle.saturating_sub(width / 2).max(area.x);
        if x >= free && x + width <= end {
            put(buffer, area, x, &label, depth.dim());
            free = x + width + 1;
        }
    }
    put_right(buffer, area, area.right(), &title, depth.dim());
}

fn x_ticks(chart: &Chart, axis: Axis, wanted: usize) -> Vec<(f64, String)> {
    if chart.choices.log_x {
        return log_ticks(chart.x.0, chart.x.1, wanted);
    }
    let (ticks, step) = linear_ticks(chart.x.0, chart.x.1, wanted);
    let label = |value: f64| match axis {
        Axis::Step | Axis::Samples | Axis::Tokens => tick(value, step),
        Axis::Time => words::short_duration(value),
    };
    ticks
        .into_iter()
        .map(|value| (value, label(value)))
        .collect()
}
