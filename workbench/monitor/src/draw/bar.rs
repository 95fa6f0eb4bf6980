//! The last line: the keys that matter here, or what is typed.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use crate::colour::{Depth, strong};
use crate::keys::Row;
use crate::paint::{cut, line, put, wrapped};
use crate::prompt::Prompt;
use crate::screen::Screen;

/// What is typed, what was said last, or the keys.
pub(super) fn draw(screen: &Screen, area: Rect, depth: Depth, buffer: &mut Buffer) {
    if let Some(prompt) = &screen.prompt {
        if prompt.is_question() {
            question(&prompt.sign(), area, buffer);
        } else {
            typed(prompt, area, depth, buffer);
        }
    } else if screen.note.is_empty() {
        keys(&screen.bar(), screen.ends(), area, depth, buffer);
    } else {
        put(buffer, area, area.x + 1, &screen.note, depth.accent());
    }
}

/// The whole question, over as many lines above the last one as it takes.
fn question(text: &str, area: Rect, buffer: &mut Buffer) {
    let lines = wrapped(&format!("{text}█"), area.width.saturating_sub(2));
    let height = (lines.len() as u16).min(area.bottom());
    let place = Rect {
        y: area.bottom() - height,
        height,
        ..area
    };
    Clear.render(place.intersection(buffer.area), buffer);
    for (row, line) in place.rows().zip(&lines) {
        put(buffer, row, row.x + 1, line, strong());
    }
}

/// The end of the line, where the cursor is, and what is wrong with it behind or instead of its beginning.
fn typed(prompt: &Prompt, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let note = cut(&prompt.note, area.width / 2);
    let room = usize::from(area.width).saturating_sub(Line::raw(note.as_str()).width() + 5);
    let whole = format!("{}{}█", prompt.sign(), prompt.text);
    let skipped = whole.chars().count().saturating_sub(room);
    let shown: String = whole.chars().skip(skipped).collect();
    let x = put(buffer, area, area.x + 1, &shown, strong());
    put(buffer, area, x + 2, &note, depth.warn());
}

fn keys(
    rows: &[Row],
    ends: impl Iterator<Item = Row>,
    area: Rect,
    depth: Depth,
    buffer: &mut Buffer,
) {
    let item = |row: &Row| {
        [
            Span::styled(row.label, depth.accent()),
            Span::styled(format!(" {}  ", row.short), depth.dim()),
        ]
    };
    let ends: Line = ends.flat_map(|row| item(&row)).collect();
    let room = usize::from(area.width).saturating_sub(ends.width() + 1);
    let mut shown = Line::default();
    for row in rows {
        let next = item(row);
        // Items are left out whole; a shorter one further on does not jump the queue.
        if shown.width() + next.iter().map(Span::width).sum::<usize>() > room {
            break;
        }
        shown.spans.extend(next);
    }
    line(buffer, area, area.x + 1, &shown);
    let right = area.right().saturating_sub(ends.width() as u16);
    line(buffer, area, right.max(area.x), &ends);
}
