//! What is left on a screen too small for panes, down to a single cell: progress first, then the runs.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::totals::Totals;
use crate::colour::{Depth, strong};
use crate::number::compact;
use crate::paint::put;
use crate::shared::Shared;
use crate::view::glyph;

pub(super) fn draw(shared: &Shared, area: Rect, depth: Depth, buffer: &mut Buffer) {
    let sweep = shared.sweep();
    let totals = Totals::of(sweep);
    let eta = sweep.eta.map_or_else(String::new, |eta| {
        format!(" eta {}", words::short_duration(eta))
    });
    let share = (totals.share() * 100.0).floor();
    let text = format!(
        "{share:.0}% {}/{} runs{eta}",
        totals.finished, totals.wanted
    );
    put(buffer, area, area.x, &text, strong());
    let page = usize::from(area.height.saturating_sub(1));
    let first = shared.row().saturating_sub(page.saturating_sub(1));
    let runs = shared.order.iter().skip(first);
    for (run, row) in runs.zip(area.rows().skip(1)) {
        let style = if *run == shared.cursor {
            strong()
        } else {
            Style::new()
        };
        let run = &sweep.runs[*run];
        let state = depth.state(run.state);
        let x = put(buffer, row, row.x, glyph(run.state), state);
        let loss = run.loss.map_or_else(|| "–".into(), compact);
        let outcome = run.outcome.map_or("", |outcome| outcome.name());
        let text = format!("{} {loss} {outcome}", run.label());
        put(buffer, row, x + 1, &text, style);
    }
}
