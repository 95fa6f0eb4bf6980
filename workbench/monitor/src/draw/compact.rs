//! What is left on a screen too small for panes, down to a single cell: progress first, then the runs.

use ratatui::{buffer::Buffer, style::Style};

use super::header::{Totals, state_style};
use super::{Screen, put};
use crate::colour::strong;
use crate::number::compact;
use crate::view::glyph;

pub(super) fn draw(screen: Screen, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        state,
        layout,
        depth,
    } = screen;
    let area = layout.area;
    let totals = Totals::of(sweep);
    let eta = sweep.eta.map_or_else(String::new, |eta| {
        format!(" eta {}", words::short_duration(eta))
    });
    let share = (totals.share() * 100.0).floor();
    let text = format!(
        "{share:.0}% {}/{} runs{eta}",
        totals.finished, totals.wanted
    );
    put(buffer, area, area.x, area.y, &text, strong());
    let page = usize::from(area.height.saturating_sub(1));
    let row = scene
        .order
        .iter()
        .position(|run| *run == state.cursor)
        .unwrap_or(0);
    let first = row.saturating_sub(page.saturating_sub(1));
    for (line, run) in scene.order.iter().skip(first).take(page).enumerate() {
        let y = area.y + 1 + line as u16;
        let style = if *run == state.cursor {
            strong()
        } else {
            Style::new()
        };
        let run = &sweep.runs[*run];
        let x = put(
            buffer,
            area,
            area.x,
            y,
            glyph(run.state),
            state_style(depth, run.state),
        );
        let loss = run.loss.map_or_else(|| "–".into(), compact);
        let outcome = run.outcome.map_or("", |outcome| outcome.name());
        put(
            buffer,
            area,
            x + 1,
            y,
            &format!("{} {loss} {outcome}", run.label()),
            style,
        );
    }
}
