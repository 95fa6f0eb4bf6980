//! The last line: the keys that matter here, out of the one key table.

use ratatui::{
    buffer::Buffer,
    text::{Line, Span},
};

use super::{Screen, line};
use crate::keys::{self, Action, BINDINGS, Binding};
use crate::state::Pane;

pub(super) fn draw(screen: Screen, buffer: &mut Buffer) {
    let Screen {
        state,
        layout,
        depth,
        ..
    } = screen;
    let area = layout.bar;
    let item = |binding: &Binding| {
        [
            Span::styled(binding.label, depth.accent()),
            Span::styled(format!(" {}  ", binding.short), depth.dim()),
        ]
    };
    let ends = BINDINGS
        .iter()
        .filter(|b| matches!(b.action, Action::Help | Action::Leave));
    let ends = Line::from(ends.flat_map(item).collect::<Vec<_>>());
    let room = usize::from(area.width).saturating_sub(ends.width() + 1);
    let mut shown = Line::default();
    let visible: Vec<Pane> = layout.panes.iter().map(|(pane, _)| *pane).collect();
    for binding in keys::bar(state.focus, &visible) {
        let next = item(binding);
        // Items are left out whole; a shorter one further on does not jump the queue.
        if shown.width() + next.iter().map(Span::width).sum::<usize>() > room {
            break;
        }
        shown.spans.extend(next);
    }
    line(buffer, area, area.x + 1, area.y, &shown, area.width);
    let right = area.right().saturating_sub(ends.width() as u16);
    line(buffer, area, right.max(area.x), area.y, &ends, area.width);
}
