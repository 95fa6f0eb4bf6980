//! One line that tells the arms apart: colour, name, last value.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::colour::Depth;
use crate::number::compact;
use crate::paint::line;

/// The letter of an arm where there are no colours.
pub(super) fn letter(arm: usize) -> char {
    char::from(b'a' + (arm % 26) as u8)
}

/// Draws the entries with their values, without them where that is too long, and in the end as many as fit.
pub(super) fn draw(
    entries: &[(usize, f64)],
    arms: &[String],
    area: Rect,
    depth: Depth,
    buffer: &mut Buffer,
) {
    let room = usize::from(area.width);
    let all = |values: bool| {
        let spans = entries
            .iter()
            .enumerate()
            .flat_map(|(index, entry)| spans(*entry, arms, index, values, depth));
        Line::from(spans.collect::<Vec<_>>())
    };
    let shown = [true, false]
        .into_iter()
        .map(all)
        .find(|line| line.width() <= room);
    let shown = shown.unwrap_or_else(|| {
        let mut shown = Line::default();
        for (index, entry) in entries.iter().enumerate() {
            let next = Line::from(spans(*entry, arms, index, false, depth));
            let missing = format!("  +{}", entries.len() - index);
            if shown.width() + next.width() + missing.len() > room {
                shown.spans.push(Span::styled(missing, depth.dim()));
                break;
            }
            shown.spans.extend(next.spans);
        }
        shown
    });
    line(buffer, area, area.x, &shown);
}

fn spans(
    (arm, value): (usize, f64),
    arms: &[String],
    index: usize,
    values: bool,
    depth: Depth,
) -> Vec<Span<'static>> {
    let gap = if index == 0 { "" } else { "  " };
    let mark = if depth.coloured() { '━' } else { letter(arm) };
    let name = arms.get(arm).map_or("", String::as_str);
    let mut spans = vec![Span::styled(format!("{gap}{mark} {name}"), depth.arm(arm))];
    if values {
        spans.push(Span::styled(format!(" {}", compact(value)), depth.dim()));
    }
    spans
}
