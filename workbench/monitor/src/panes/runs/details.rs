//! Details of the run under the cursor: what it is, and what happened to it, in what its configuration differs from that of
//! another run, or what its process wrote.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::Widget,
};

use super::differences::Differences;
use crate::colour::Depth;
use crate::document::{self, TextRow, Tone, Window};
use crate::number::count;
use crate::paint::{frame, wrapped};
use crate::shared::{Label, Shared};
use crate::view::Details;

/// Width of the names of facts.
const NAMES: u16 = 12;

/// From this width on facts stand beside the rest, where both get room to read.
const WIDE: u16 = 110;

/// What stands beside the facts, or, where there is room for one column only, above or below them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Said {
    /// Damage and events.
    #[default]
    Events,
    /// In what the configuration differs from that of another run.
    Differences,
    /// What the process wrote.
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

    pub(super) fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, said)| *said == self)
            .map_or("", |(name, _)| name)
    }
}

/// A run with its details, for a place of one size.
pub(super) struct Detailed {
    title: Vec<(String, Tone)>,
    /// What stands on the left, and does not scroll; nothing where there is one column.
    facts: Vec<TextRow>,
    pub(super) rows: Vec<TextRow>,
    pub(super) height: u16,
    /// Whether the end of the rows is what matters.
    pub(super) at_end: bool,
}

impl Detailed {
    /// `against` is the run to compare with; none takes the nearest.
    pub(super) fn of(shared: &Shared, said: Said, against: Option<usize>, area: Rect) -> Self {
        let run = shared.cursor;
        let inner = inner(area);
        let details = shared.details();
        let beside = inner.width >= WIDE && details.facts.len() <= usize::from(inner.height);
        let width = if beside { inner.width / 2 } else { inner.width };
        let facts = facts(&details, width);
        let Label { text, ink } = shared.label(run);
        let mut title = vec![(text, Tone::Of(ink)), (" ".to_owned(), Tone::Plain)];
        let rows = match said {
            Said::Events => past(&details),
            Said::Differences => {
                let differences = Differences::of(shared, run, against);
                title.extend(differences.title());
                differences.rows(width)
            }
            Said::Console => {
                title.push(("· console ".to_owned(), Tone::Dim));
                console(shared.console(run))
            }
        };
        let (facts, rows) = match (beside, said) {
            (true, _) => (facts, rows),
            // What is asked for comes first; of a console that is its end.
            (false, Said::Differences) => (Vec::new(), joined(rows, facts)),
            (false, Said::Events | Said::Console) => (Vec::new(), joined(facts, rows)),
        };
        Self {
            title,
            facts,
            rows,
            height: inner.height,
            at_end: said == Said::Console,
        }
    }

    /// `found` is what is searched for.
    pub(super) fn draw(
        &self,
        (window, found): (Window, &str),
        area: Rect,
        depth: Depth,
        buffer: &mut Buffer,
    ) {
        let spans = self
            .title
            .iter()
            .map(|(text, tone)| Span::styled(text.clone(), tone.style(depth)));
        let title: Line = std::iter::once(Span::raw(" ")).chain(spans).collect();
        let block = frame(depth.faint())
            .title_top(title)
            .title_bottom(window.shown().style(depth.dim()));
        let inner = block.inner(area);
        block.render(area, buffer);
        let mut right = inner;
        if !self.facts.is_empty() {
            let halves = [Constraint::Length(inner.width / 2), Constraint::Fill(1)];
            let [left, rest] = Layout::horizontal(halves).areas(inner);
            document::draw(&self.facts, Window::default(), "", left, depth, buffer);
            right = rest;
        }
        document::draw(&self.rows, window, found, right, depth, buffer);
    }
}

fn inner(area: Rect) -> Rect {
    frame(ratatui::style::Style::new()).inner(area)
}

/// One below the other, with a free row between.
fn joined(above: Vec<TextRow>, below: Vec<TextRow>) -> Vec<TextRow> {
    let free = Some(TextRow::default()).filter(|_| !above.is_empty() && !below.is_empty());
    above.into_iter().chain(free).chain(below).collect()
}

/// A name with its value, over as many rows as the value takes.
fn facts(details: &Details, width: u16) -> Vec<TextRow> {
    let room = width.saturating_sub(NAMES + 3);
    let mut rows = Vec::new();
    for (name, value) in &details.facts {
        for (number, part) in wrapped(value, room).into_iter().enumerate() {
            let name = if number == 0 { name.as_str() } else { "" };
            rows.push(TextRow::of(name, Tone::Dim).and(NAMES + 2, part, Tone::Plain));
        }
    }
    rows
}

/// Damage, then events.
fn past(details: &Details) -> Vec<TextRow> {
    let warnings = details.warnings.iter();
    let warnings = warnings.map(|warning| TextRow::of(format!("! {warning}"), Tone::Warn));
    let events = details.events.iter().map(|(step, kind, message)| {
        TextRow::default()
            .and_right(8, count(*step), Tone::Dim)
            .and(9, kind.as_str(), Tone::Accent)
            .and(25, message.as_str(), Tone::Plain)
    });
    let earlier = Some(details.earlier).filter(|earlier| *earlier > 0);
    let earlier = earlier.map(|earlier| {
        let events = words::counted(earlier as u64, "earlier event");
        TextRow::of(format!("… {events}, in `events.jsonl`"), Tone::Dim)
    });
    warnings.chain(events).chain(earlier).collect()
}

fn console(read: Result<Vec<String>, String>) -> Vec<TextRow> {
    match read {
        Ok(lines) if lines.is_empty() => vec![TextRow::of("nothing was written yet", Tone::Dim)],
        Ok(lines) => lines
            .into_iter()
            .map(|line| TextRow::of(line, Tone::Plain))
            .collect(),
        Err(why) => vec![TextRow::of(why, Tone::Dim)],
    }
}
