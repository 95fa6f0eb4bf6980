//! The sweep table.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::header::state_style;
use super::{Screen, cut, progress, put, put_right};
use crate::colour::{Depth, strong};
use crate::layout;
use crate::number::{compact, count};
use crate::scene::is_number;
use crate::state::{Column, Pane};
use crate::view::{Run, glyph};
use sweeps::Outcome;

/// Width of the longest arm name, which decides the columns.
pub(crate) fn longest_arm(arms: &[String]) -> u16 {
    arms.iter()
        .map(|arm| Line::raw(arm.as_str()).width() as u16)
        .max()
        .unwrap_or(0)
}

pub(super) fn draw(screen: Screen, area: Rect, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        state,
        depth,
        ..
    } = screen;
    let selected = (0..sweep.runs.len())
        .filter(|run| state.is_selected(*run))
        .count();
    let right = format!(" {selected} of {} drawn ", sweep.runs.len());
    let title = Line::styled(" Runs ", strong());
    screen.frame(
        area,
        Some(Pane::Runs),
        &title,
        &Line::styled(right, depth.dim()),
        buffer,
    );
    let inner = layout::inner(area);
    let list = layout::list(area);
    let columns = layout::columns(inner.width, longest_arm(&scene.arms));
    for (column, x, width) in &columns {
        heading(
            screen,
            Rect::new(inner.x + x, inner.y, *width, 1).intersection(inner),
            *column,
            buffer,
        );
    }
    if sweep.runs.is_empty() {
        super::hint(buffer, list, "no runs yet", depth);
    }
    let page = usize::from(list.height);
    for (row, run) in scene.order.iter().skip(state.offset).take(page).enumerate() {
        let y = list.y + row as u16;
        let place = Rect::new(list.x, y, list.width, 1);
        let under_cursor = *run == state.cursor;
        for (column, x, width) in &columns {
            let cell = Rect::new(place.x + x, y, *width, 1);
            value(screen, *run, *column, cell, buffer);
        }
        if under_cursor {
            super::highlight(place, depth, buffer);
        }
    }
    more(scene.order.len(), state.offset, list, area, depth, buffer);
}

/// How many rows are above and below, on the lower edge of the frame.
pub(super) fn more(
    length: usize,
    offset: usize,
    list: Rect,
    frame: Rect,
    depth: Depth,
    buffer: &mut Buffer,
) {
    let page = usize::from(list.height);
    if length > page && frame.height > 1 && frame.width > 24 {
        let last = (offset + page).min(length);
        let text = format!(" {}–{last} of {length} ", (offset + 1).min(length));
        put_right(
            buffer,
            frame,
            frame.right() - 2,
            frame.bottom() - 1,
            &text,
            depth.dim(),
        );
    }
}

fn heading(screen: Screen, area: Rect, column: Column, buffer: &mut Buffer) {
    let Screen { state, depth, .. } = screen;
    let sorted = state.sort == column && column != Column::Plan;
    let arrow = match (sorted, state.descending) {
        (false, _) => "",
        (true, false) => "↑",
        (true, true) => "↓",
    };
    let style = if sorted { depth.accent() } else { depth.dim() };
    if column == Column::State && area.width < 5 {
        return;
    }
    let text = format!("{}{arrow}", column.title());
    if is_number(column) {
        put_right(buffer, area, area.right(), area.y, &text, style);
    } else {
        put(buffer, area, area.x, area.y, &text, style);
    }
}

fn value(screen: Screen, number: usize, column: Column, area: Rect, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        state,
        depth,
        ..
    } = screen;
    let run = &sweep.runs[number];
    let arm = scene.arm_of.get(number).copied().unwrap_or(0);
    let (text, style) = match column {
        Column::Plan if state.is_selected(number) => ("■".to_owned(), depth.arm(arm)),
        Column::Plan => ("·".to_owned(), depth.dim()),
        Column::Arm => (cut(&run.arm, area.width), depth.arm(arm)),
        Column::Seed => match run.seed {
            Some(seed) => (seed.to_string(), Style::new()),
            None => ("–".to_owned(), depth.dim()),
        },
        Column::Progress => {
            progress(
                buffer,
                area,
                run.progress(),
                state_style(depth, run.state),
                depth.faint(),
            );
            return;
        }
        Column::Step => (count(run.step), Style::new()),
        Column::Loss => optional(run.loss, depth),
        Column::HeldOut => optional(run.held_out, depth),
        Column::Outcome => outcome(run, depth),
        Column::State => {
            let x = put(
                buffer,
                area,
                area.x,
                area.y,
                glyph(run.state),
                state_style(depth, run.state),
            );
            put(buffer, area, x + 1, area.y, run.state.name(), depth.dim());
            return;
        }
    };
    if is_number(column) {
        put_right(buffer, area, area.right(), area.y, &text, style);
    } else {
        put(buffer, area, area.x, area.y, &text, style);
    }
}

fn optional(value: Option<f64>, depth: Depth) -> (String, Style) {
    match value {
        Some(value) if value.is_finite() => (compact(value), Style::new()),
        Some(value) => (compact(value), depth.bad()),
        None => ("–".into(), depth.faint()),
    }
}

fn outcome(run: &Run, depth: Depth) -> (String, Style) {
    run.outcome.map_or(("–".into(), depth.faint()), |outcome| {
        (outcome.name().into(), outcome_style(outcome, depth))
    })
}

/// The colour of an outcome.
pub(super) fn outcome_style(outcome: Outcome, depth: Depth) -> Style {
    match outcome {
        Outcome::Ok => depth.good(),
        Outcome::Recovered | Outcome::Stuck => depth.warn(),
        Outcome::Diverged | Outcome::Nonfinite => depth.bad(),
    }
}

/// `arm s3` in its arm's colour, for the titles of other panes.
pub(super) fn label(screen: Screen) -> Span<'static> {
    let Screen {
        sweep,
        scene,
        state,
        depth,
        ..
    } = screen;
    let arm = scene.arm_of.get(state.cursor).copied().unwrap_or(0);
    let text = sweep
        .runs
        .get(state.cursor)
        .map_or_else(String::new, Run::label);
    Span::styled(text, depth.arm(arm).add_modifier(Modifier::BOLD))
}
