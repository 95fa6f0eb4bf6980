//! Details of the run under the cursor: what it is, and what happened to it last, in what its configuration differs from that of
//! another run, or what its process wrote.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use super::differences::Differences;
use crate::colour::Depth;
use crate::number::count;
use crate::paint::{cut, frame, hint, put, put_right, rows};
use crate::shared::{Label, Shared};
use crate::view::Details;

/// Width of the names of facts.
const NAMES: u16 = 12;

/// What stands beside the facts, or where there is room for one of both only, instead of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Said {
    /// Damage and events.
    #[default]
    Events,
    /// In what the configuration differs from that of another run.
    Differences,
    /// What the process wrote last.
    Console,
}

impl Said {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("events", Self::Events),
        ("differences", Self::Differences),
        ("console", Self::Console),
    ];

    pub(super) fn next(self) -> Self {
        match self {
            Self::Events => Self::Differences,
            Self::Differences => Self::Console,
            Self::Console => Self::Events,
        }
    }
}

/// A run with its details.
pub(super) struct Detailed {
    run: Label,
    details: Details,
    beside: Beside,
}

/// [`Said`], with what it says.
enum Beside {
    Events,
    Differences(Differences),
    Console(Result<Vec<String>, String>),
}

impl Detailed {
    /// `against` is the run to compare with; none takes the nearest.
    pub(super) fn of(shared: &Shared, said: Said, against: Option<usize>) -> Self {
        let run = shared.cursor;
        Self {
            run: shared.label(run),
            details: shared.details(),
            beside: match said {
                Said::Events => Beside::Events,
                Said::Differences => Beside::Differences(Differences::of(shared, run, against)),
                Said::Console => Beside::Console(shared.console(run)),
            },
        }
    }

    pub(super) fn draw(&self, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let mut title = vec![Span::raw(" "), self.run.span(depth), Span::raw(" ")];
        match &self.beside {
            Beside::Events => {}
            Beside::Differences(differences) => title.extend(differences.title(depth)),
            Beside::Console(_) => title.push(Span::styled("· console ", depth.dim())),
        }
        let block = frame(depth.faint()).title_top(Line::from(title));
        let inner = block.inner(area);
        block.render(area, buffer);
        let facts = self.details.facts.len() as u16;
        let alone = !matches!(self.beside, Beside::Events);
        // Side by side where both get room to read.
        let [left, right] = if inner.width >= 110 {
            Layout::horizontal([Constraint::Length(inner.width / 2), Constraint::Fill(1)])
                .areas(inner)
        } else {
            let facts = if alone { 0 } else { facts };
            Layout::vertical([Constraint::Length(facts), Constraint::Fill(1)]).areas(inner)
        };
        self.facts(left, depth, buffer);
        match &self.beside {
            Beside::Events => self.past(right, depth, buffer),
            Beside::Differences(differences) => differences.draw(right, depth, buffer),
            Beside::Console(Ok(lines)) => console(lines, right, buffer),
            Beside::Console(Err(why)) => hint(buffer, right, why, depth),
        }
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

/// The last lines that fit.
fn console(lines: &[String], area: Rect, buffer: &mut Buffer) {
    let last = lines.len().saturating_sub(usize::from(area.height));
    for (row, line) in area.rows().zip(&lines[last..]) {
        rest(row, row.x + 1, line, Style::new(), buffer);
    }
}

/// Writes into a row from `x` on, and leaves its last cell free.
fn rest(row: Rect, x: u16, text: &str, style: Style, buffer: &mut Buffer) {
    let room = row.right().saturating_sub(x + 1);
    put(buffer, row, x, &cut(text, room), style);
}
