//! The mouse over curves: a click puts the cursor where it points, a drag shows only what it spans, and the wheel zooms around the
//! pointer, over the labels of the y axis that axis.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
};

use super::Curves;
use super::plot::{self, Fields};
use crate::pane::Drag;
use crate::shared::Axis;

/// What one notch of the wheel leaves of what is shown.
const NOTCH: f64 = 0.8;
/// Cells from which on a drag means an axis: a hand that goes along one axis wavers by a row or two.
const LEAST: (u16, u16) = (2, 3);

/// Cells that a drag spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    panel: usize,
    facet: usize,
    from: Position,
    to: Position,
}

impl Selection {
    /// Columns and rows of the plot, first and last, where the drag means that axis.
    fn spans(&self, plot: Rect) -> [Option<(u16, u16)>; 2] {
        let span = |from: u16, to: u16, (first, end): (u16, u16), least: u16| {
            let inside = |at: u16| at.clamp(first, end.saturating_sub(1).max(first)) - first;
            let (low, high) = (inside(from.min(to)), inside(from.max(to)));
            (high - low >= least).then_some((low, high))
        };
        let (from, to) = (self.from, self.to);
        [
            span(from.x, to.x, (plot.left(), plot.right()), LEAST.0 - 1),
            span(from.y, to.y, (plot.top(), plot.bottom()), LEAST.1 - 1),
        ]
    }
}

impl Curves {
    /// The chart under the pointer.
    fn chart_at(&self, at: Position) -> Option<(usize, usize, Fields)> {
        let mut charts = self.plan.charts();
        let (panel, facet, area) = charts.find(|(.., area)| area.contains(at))?;
        let fields = plot::fields(&self.shown(panel, facet)?, area)?;
        Some((panel, facet, fields))
    }

    /// Place on the x axis of a share of a chart's width.
    fn x_at(&self, (panel, facet): (usize, usize), share: f64) -> Option<f64> {
        let (low, high) = self.panels.get(panel)?.charts.get(facet)?.chart.x;
        let x = low + share * (high - low);
        Some(if self.choices.log_x { 10f64.powf(x) } else { x })
    }

    /// Puts the cursor there; of several panels the one pointed at becomes the active one.
    fn point(&mut self, at: Position) {
        let Some((panel, facet, fields)) = self.chart_at(at) else {
            return;
        };
        self.activate(panel);
        if !fields.plot.contains(at) {
            return;
        }
        let share = (f64::from(at.x - fields.plot.x) + 0.5) / f64::from(fields.plot.width);
        let x = self.x_at((panel, facet), share);
        // Nothing is recorded between two steps.
        let whole = self.choices.axis != Axis::Time;
        self.choices.cursor = x.map(|x| if whole { x.round() } else { x });
    }

    pub(super) fn drag_over(&mut self, drag: Drag) {
        self.selection = None;
        // A click is known when the button is let go: until then names and values that it brings would move the plot.
        if drag.done && drag.from == drag.to {
            self.point(drag.to);
            return;
        }
        let Some((panel, facet, fields)) = self.chart_at(drag.from) else {
            return;
        };
        let Drag { from, to, done } = drag;
        let selection = Selection {
            panel,
            facet,
            from,
            to,
        };
        if !fields.plot.contains(from) {
            return;
        }
        if !done {
            self.selection = Some(selection);
            return;
        }
        let [columns, rows] = selection.spans(fields.plot);
        if let Some((first, last)) = columns {
            let x = |column: u16| {
                let share = f64::from(column) / f64::from(fields.plot.width);
                self.x_at((panel, facet), share)
            };
            self.choices.zoom = x(first).zip(x(last + 1)).or(self.choices.zoom);
        }
        if let Some((first, last)) = rows
            && let Some(charted) = self.panels[panel].charts.get(facet)
        {
            let (low, high) = charted.chart.y;
            let y = |row: u16| {
                let share = f64::from(row) / f64::from(fields.plot.height);
                high - share * (high - low)
            };
            self.limit(panel, (y(last + 1), y(first)));
        }
    }

    /// Whether the wheel was over something that it zooms.
    pub(super) fn wheel_over(&mut self, at: Position, notches: isize) -> bool {
        let Some((panel, facet, fields)) = self.chart_at(at) else {
            return false;
        };
        // Towards the screen: closer.
        let factor = NOTCH.powi(-(notches.clamp(-9, 9) as i32));
        if fields.plot.contains(at) {
            let share = (f64::from(at.x - fields.plot.x) + 0.5) / f64::from(fields.plot.width);
            let whole = self.whole();
            if let Some(x) = self.x_at((panel, facet), share) {
                self.choices.zoom_around(x, factor, whole);
            }
            return true;
        }
        if fields.margin.contains(at) {
            let share = (f64::from(at.y - fields.margin.y) + 0.5) / f64::from(fields.margin.height);
            self.zoom_y(panel, factor, 1.0 - share);
            return true;
        }
        false
    }

    /// Shows what a drag spans so far.
    pub(super) fn draw_selection(&self, buffer: &mut Buffer) {
        let Some(selection) = self.selection else {
            return;
        };
        let mut charts = self.plan.charts();
        let own =
            charts.find(|(panel, facet, _)| (*panel, *facet) == (selection.panel, selection.facet));
        let fields =
            own.and_then(|(panel, facet, area)| plot::fields(&self.shown(panel, facet)?, area));
        let Some(Fields { plot, .. }) = fields else {
            return;
        };
        let [columns, rows] = selection.spans(plot);
        if columns.is_none() && rows.is_none() {
            return;
        }
        let (left, right) = columns.unwrap_or((0, plot.width.saturating_sub(1)));
        let (top, bottom) = rows.unwrap_or((0, plot.height.saturating_sub(1)));
        let spanned = Rect::new(
            plot.x + left,
            plot.y + top,
            right - left + 1,
            bottom - top + 1,
        );
        let style = Style::new().add_modifier(Modifier::REVERSED);
        buffer.set_style(spanned.intersection(buffer.area), style);
    }
}
