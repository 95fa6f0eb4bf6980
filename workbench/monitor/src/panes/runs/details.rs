//! Details of the run under the cursor: what it is, and what happened to it last.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::Depth;
use crate::number::count;
use crate::paint::{cut, frame, put, put_right, rows};
use crate::shared::{Label, Shared};
use crate::view::Details;

/// Width of the names of facts.
const NAMES: u16 = 12;

/// A run with its details.
pub(super) struct Detailed {
    run: Label,
    details: Details,
}

impl Detailed {
    pub(super) fn of(shared: &Shared) -> Self {
        Self {
            run: shared.label(shared.cursor),
            details: shared.details(),
        }
    }

    pub(super) fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let title = Line::from(vec![Span::raw(" "), self.run.span(depth), Span::raw(" ")]);
        let block = frame(depth.faint()).title_top(title);
        let inner = block.inner(area);
        block.render(area, buffer);
        let facts = self.details.facts.len() as u16;
        // Side by side where both get room to read.
        let [left, right] = if inner.width >= 110 {
            Layout::horizontal([Constraint::Length(inner.width / 2), Constraint::Fill(1)])
                .areas(inner)
        } else {
            Layout::vertical([Constraint::Length(facts), Constraint::Fill(1)]).areas(inner)
        };
        self.facts(left, depth, buffer);
        self.past(right, depth, buffer);
    }

    fn facts(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        for (row, (name, value)) in area.rows().zip(&self.details.facts) {
            put(buffer, row, row.x + 1, &cut(name, NAMES), depth.dim());
            rest(row, row.x + NAMES + 2, value, Style::new(), buffer);
        }
    }

    /// Damage, then events.
    fn past(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let warnings = &self.details.warnings;
        for (row, warning) in area.rows().zip(warnings) {
            let text = format!("! {warning}");
            rest(row, row.x + 1, &text, depth.warn(), buffer);
        }
        let area = rows(area, warnings.len() as u16, area.height);
        for (row, (step, kind, message)) in area.rows().zip(&self.details.events) {
            put_right(buffer, row, row.x + 8, &count(*step), depth.dim());
            put(buffer, row, row.x + 9, &cut(kind, 14), depth.accent());
            rest(row, row.x + 25, message, Style::new(), buffer);
        }
    }
}

/// Writes into a row from `x` on, and leaves its last cell free.
fn rest(row: Rect, x: u16, text: &str, style: Style, buffer: &mut Buffer) {
    let room = row.right().saturating_sub(x + 1);
    put(buffer, row, x, &cut(text, room), style);
}
