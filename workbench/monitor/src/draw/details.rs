//! Details of the run under the cursor: what it is, and what happened to it last.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{Screen, cut, put, put_right};
use crate::layout;
use crate::number::count;

/// Width of the names of facts.
const NAMES: u16 = 12;

pub(super) fn draw(screen: Screen, area: Rect, buffer: &mut Buffer) {
    let Screen { scene, depth, .. } = screen;
    let title = Line::from(vec![
        Span::raw(" "),
        super::runs::label(screen),
        Span::raw(" "),
    ]);
    screen.frame(area, None, &title, &Line::default(), buffer);
    let inner = layout::inner(area);
    let details = &scene.details;
    // Side by side where both get room to read.
    let wide = inner.width >= 110;
    let facts_width = if wide { inner.width / 2 } else { inner.width };
    let mut y = inner.y;
    for (name, value) in &details.facts {
        if y >= inner.bottom() {
            break;
        }
        let row = Rect {
            y,
            height: 1,
            width: facts_width,
            ..inner
        };
        put(buffer, row, row.x + 1, y, &cut(name, NAMES), depth.dim());
        let x = row.x + NAMES + 2;
        put(
            buffer,
            row,
            x,
            y,
            &cut(value, row.right().saturating_sub(x + 1)),
            Style::new(),
        );
        y += 1;
    }
    let mut lower = if wide {
        Rect {
            x: inner.x + facts_width,
            width: inner.width - facts_width,
            ..inner
        }
    } else {
        layout::rows(inner, y - inner.y, inner.height)
    };
    for warning in &details.warnings {
        put(
            buffer,
            lower,
            lower.x + 1,
            lower.y,
            &cut(&format!("! {warning}"), lower.width.saturating_sub(2)),
            depth.warn(),
        );
        lower = layout::rows(lower, 1, lower.height);
    }
    for (index, (step, kind, message)) in details.events.iter().enumerate() {
        let row = layout::rows(lower, index as u16, 1);
        if row.height == 0 {
            break;
        }
        put_right(buffer, row, row.x + 8, row.y, &count(*step), depth.dim());
        put(
            buffer,
            row,
            row.x + 9,
            row.y,
            &cut(kind, 14),
            depth.accent(),
        );
        let x = row.x + 25;
        put(
            buffer,
            row,
            x,
            row.y,
            &cut(message, row.right().saturating_sub(x + 1)),
            Style::new(),
        );
    }
}
