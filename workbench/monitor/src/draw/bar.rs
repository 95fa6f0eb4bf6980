//! The last line: the keys that matter here.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::colour::Depth;
use crate::keys::Row;
use crate::paint::line;
use crate::screen;

pub(super) fn draw(rows: &[Row], area: Rect, depth: Depth, buffer: &mut Buffer) {
    let item = |row: &Row| {
        [
            Span::styled(row.label, depth.accent()),
            Span::styled(format!(" {}  ", row.short), depth.dim()),
        ]
    };
    let ends: Line = screen::ends().flat_map(|row| item(&row)).collect();
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
