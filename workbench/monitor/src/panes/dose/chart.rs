//! A chart over doses, which lie as far apart as their ratios say: lines, and points on them.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
};
use sweeps::stats::DoseCurve;

use crate::braille::{Board, Layer};
use crate::colour::{Depth, Ink};
use crate::paint::{put, put_right, row};

/// Narrowest and widest room for the labels of the vertical axis.
const MARGIN: (u16, u16) = (6, 10);

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) curves: Vec<Curve>,
    /// Least and greatest value, and what stands beside some values.
    pub(super) range: (f64, f64),
    pub(super) labels: Vec<(f64, String)>,
}

/// One curve.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) ink: Ink,
    /// What stands for it where there are no colours.
    pub(super) sign: char,
    /// Whether the cursor is on it.
    pub(super) here: bool,
    /// Drawn as a line; without one, the line goes from point to point.
    pub(super) fit: Option<DoseCurve>,
    /// Dose and value, by ascending dose; infinite where a value was not finite.
    pub(super) points: Vec<(f64, f64)>,
}

/// Where doses and values lie in a plot, in dots of the board.
struct Scale {
    doses: (f64, f64),
    values: (f64, f64),
    width: f64,
    height: f64,
}

impl Scale {
    fn x(&self, log: f64) -> f64 {
        let (low, high) = self.doses;
        ((log - low) / (high - low) * self.width).clamp(0.0, self.width)
    }

    /// From above; what is not finite lies on the upper edge.
    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let share = if value.is_finite() {
            (value - low) / (high - low)
        } else {
            1.0
        };
        (1.0 - share.clamp(0.0, 1.0)) * self.height
    }
}

impl Chart {
    pub(super) fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let longest = self.labels.iter().map(|(_, label)| label.chars().count());
        let margin = longest.max().unwrap_or(0) as u16 + 2;
        let margin = margin.clamp(MARGIN.0, MARGIN.1);
        let [margin, right] =
            Layout::horizontal([Constraint::Length(margin), Constraint::Fill(1)]).areas(area);
        let [plot, axis] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(right);
        if plot.is_empty() {
            return;
        }
        let scale = Scale {
            doses: self.doses(),
            values: self.range,
            width: f64::from(plot.width) * 2.0 - 1.0,
            height: f64::from(plot.height) * 4.0 - 1.0,
        };
        for (value, label) in &self.labels {
            let y = plot.y + (scale.y(*value) / 4.0) as u16;
            put_right(
                buffer,
                row(margin, y),
                margin.right() - 1,
                label,
                depth.dim(),
            );
            let grid = "· ".repeat(usize::from(plot.width.div_ceil(2)));
            put(buffer, row(plot, y), plot.x, &grid, depth.faint());
        }
        let mut board = Board::new(plot.width, plot.height);
        // The curve under the cursor lies over the others.
        let (here, others): (Vec<_>, Vec<_>) = self.curves.iter().partition(|curve| curve.here);
        for curve in others.into_iter().chain(here) {
            line(curve, &scale, depth, &mut board);
        }
        board.render(plot, buffer);
        for curve in &self.curves {
            points(curve, plot, &scale, depth, buffer);
        }
        self.axis(axis, &scale, depth, buffer);
    }

    /// The least and the greatest dose, and a little more.
    fn doses(&self) -> (f64, f64) {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let doses = points.map(|(dose, _)| dose.log2());
        let (low, high) = doses.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        let margin = ((high - low) * 0.04).max(0.1);
        (low - margin, high + margin)
    }

    /// The doses, as far as there is room.
    fn axis(&self, axis: Rect, scale: &Scale, depth: Depth, buffer: &mut Buffer) {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let mut doses: Vec<f64> = points.map(|(dose, _)| *dose).collect();
        doses.sort_by(f64::total_cmp);
        doses.dedup();
        let mut free = axis.x;
        for dose in doses {
            let x = axis.x + (scale.x(dose.log2()) / 2.0) as u16;
            if x >= free {
                free = put(buffer, axis, x, &super::short(dose), depth.dim()) + 1;
            }
        }
    }
}

fn line(curve: &Curve, scale: &Scale, depth: Depth, board: &mut Board) {
    let dots: Vec<(f64, f64)> = if let Some(fit) = &curve.fit {
        let (low, high) = scale.doses;
        let at = |dot: usize| {
            let log = low + dot as f64 / scale.width * (high - low);
            let share = fit.share(log.exp2())?;
            Some((dot as f64, scale.y(share)))
        };
        (0..board.dots_x()).filter_map(at).collect()
    } else {
        let points = curve.points.iter();
        points
            .map(|(dose, value)| (scale.x(dose.log2()), scale.y(*value)))
            .collect()
    };
    for pair in dots.windows(2) {
        board.line(pair[0], pair[1], depth.arm(curve.ink), Layer::Normal);
    }
}

fn points(curve: &Curve, plot: Rect, scale: &Scale, depth: Depth, buffer: &mut Buffer) {
    for (dose, value) in &curve.points {
        let x = plot.x + (scale.x(dose.log2()) / 2.0) as u16;
        let y = plot.y + (scale.y(*value) / 4.0) as u16;
        let mark = if !value.is_finite() {
            '✕'
        } else if depth.coloured() {
            '●'
        } else {
            curve.sign
        };
        let style = depth.arm(curve.ink);
        put(buffer, row(plot, y), x, &mark.to_string(), style);
    }
}
