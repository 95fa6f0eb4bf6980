//! The alarms: what the detectors found, latest step first.

use logs::{Alarm, AlarmKind, Sighting};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{Screen, cut, hint, put, put_right};
use crate::colour::{Depth, strong};
use crate::layout;
use crate::number::{compact, count};
use crate::scene::AlarmRow;
use crate::state::Pane;
use crate::view::Run;

pub(super) fn draw(screen: Screen, area: Rect, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        state,
        depth,
        ..
    } = screen;
    let mut title = vec![Span::styled(" Alarms ", strong())];
    if state.alarms_of_run {
        title.extend([
            Span::styled("· ", depth.dim()),
            super::runs::label(screen),
            Span::raw(" "),
        ]);
    } else {
        title.push(Span::styled("· all runs ", depth.dim()));
    }
    let counts = [
        AlarmKind::NonFinite,
        AlarmKind::Spike,
        AlarmKind::Jump,
        AlarmKind::Layer,
        AlarmKind::LossScaleFalling,
        AlarmKind::RepeatedSkips,
    ]
    .map(|kind| {
        let number = scene
            .alarms
            .iter()
            .filter(|row| row.sighting.alarm.kind == kind)
            .count();
        (kind, number)
    });
    let right: Vec<Span> = counts
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .flat_map(|(kind, number)| {
            [
                Span::styled(format!(" {} ", glyph(kind)), kind_style(kind, depth)),
                Span::styled(format!("{number} {} ", name(kind)), depth.dim()),
            ]
        })
        .collect();
    screen.frame(
        area,
        Some(Pane::Alarms),
        &Line::from(title),
        &Line::from(right),
        buffer,
    );
    let inner = layout::inner(area);
    let list = layout::list(area);
    if scene.alarms.is_empty() {
        hint(buffer, inner, "no alarms", depth);
        return;
    }
    let run_width = sweep
        .runs
        .iter()
        .map(|run| Line::raw(run.label()).width() as u16)
        .max()
        .unwrap_or(0)
        .clamp(4, 26);
    let run_width = run_width.min((inner.width / 3).max(4));
    let columns = Columns::new(list, run_width);
    let head = Rect { height: 1, ..inner };
    put(buffer, head, columns.run, head.y, "run", depth.dim());
    put_right(buffer, head, columns.step, head.y, "step", depth.dim());
    put(buffer, head, columns.message, head.y, "what", depth.dim());
    if columns.rule < head.right() {
        put(buffer, head, columns.rule, head.y, "rule", depth.dim());
    }
    let rows = scene
        .alarms
        .iter()
        .enumerate()
        .skip(state.alarm_offset)
        .take(usize::from(list.height));
    for (line, (index, row)) in rows.enumerate() {
        let place = layout::rows(list, line as u16, 1);
        draw_row(screen, row, &columns, place, buffer);
        if index == state.alarm_cursor && state.focus == Pane::Alarms {
            super::highlight(place, depth, buffer);
        }
    }
    super::runs::more(
        scene.alarms.len(),
        state.alarm_offset,
        list,
        area,
        depth,
        buffer,
    );
}

fn draw_row(screen: Screen, row: &AlarmRow, columns: &Columns, place: Rect, buffer: &mut Buffer) {
    let Screen {
        sweep,
        scene,
        depth,
        ..
    } = screen;
    let (alarm, y) = (&row.sighting.alarm, place.y);
    put(
        buffer,
        place,
        place.x,
        y,
        glyph(alarm.kind),
        kind_style(alarm.kind, depth),
    );
    let arm = scene.arm_of.get(row.run).copied().unwrap_or(0);
    let label = sweep.runs.get(row.run).map_or_else(String::new, Run::label);
    put(
        buffer,
        place,
        columns.run,
        y,
        &cut(&label, columns.run_width),
        depth.arm(arm),
    );
    put_right(
        buffer,
        place,
        columns.step,
        y,
        &count(alarm.step),
        Style::new(),
    );
    let room = columns
        .rule
        .min(place.right() + 1)
        .saturating_sub(columns.message + 1);
    let mut text = message(alarm);
    if columns.rule < place.right() {
        put(
            buffer,
            place,
            columns.rule,
            y,
            &cut(&rules(&row.sighting), RULE),
            depth.dim(),
        );
    } else if alarm.kind == AlarmKind::Spike {
        text = format!("{text} · {}", rules(&row.sighting));
    }
    put(
        buffer,
        place,
        columns.message,
        y,
        &cut(&text, room),
        Style::new(),
    );
}

/// Width of the names of rules.
const RULE: u16 = 22;

/// The rule that saw it first, and how many others did.
fn rules(sighting: &Sighting) -> String {
    let first = &sighting.alarm.rule;
    match sighting.rules.len().saturating_sub(1) {
        0 => first.clone(),
        others => format!("{first} +{others}"),
    }
}

/// Where the columns are; the step is given by its right edge, and the rule lies outside where it has no room.
struct Columns {
    run: u16,
    run_width: u16,
    step: u16,
    message: u16,
    rule: u16,
}

impl Columns {
    fn new(list: Rect, run_width: u16) -> Self {
        let run = list.x + 2;
        let step = run + run_width + 8;
        let message = step + 1;
        let room = list.right().saturating_sub(message);
        let rule = if room > RULE + 24 {
            list.right() - RULE
        } else {
            list.right() + 1
        };
        Self {
            run,
            run_width,
            step,
            message,
            rule,
        }
    }
}

/// What was seen, in as few columns as it takes.
fn message(alarm: &Alarm) -> String {
    let Alarm {
        signal,
        value,
        score,
        ..
    } = alarm;
    match alarm.kind {
        AlarmKind::Spike | AlarmKind::Layer => {
            format!("{signal} {}, {score:+.1}σ", compact(*value))
        }
        AlarmKind::Jump => format!("{signal} {}, ×{score:.1}", compact(*value)),
        AlarmKind::RepeatedSkips => format!("{score:.0} steps skipped"),
        AlarmKind::NonFinite => format!("{signal} is {}", compact(*value)),
        AlarmKind::LossScaleFalling => {
            // The score counts halvings. Scales are powers of two, and read better as whole numbers.
            let scale = |value: f64| {
                if value >= 1.0 {
                    count(value as u64)
                } else {
                    compact(value)
                }
            };
            format!(
                "{signal} {} → {}",
                scale(value * score.exp2()),
                scale(*value)
            )
        }
    }
}

fn glyph(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Spike | AlarmKind::Jump => "▲",
        AlarmKind::Layer => "◆",
        AlarmKind::NonFinite => "✕",
        AlarmKind::LossScaleFalling | AlarmKind::RepeatedSkips => "▼",
    }
}

fn name(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Spike => "spike",
        AlarmKind::Jump => "jump",
        AlarmKind::Layer => "layer",
        AlarmKind::RepeatedSkips => "skips",
        AlarmKind::NonFinite => "non-finite",
        AlarmKind::LossScaleFalling => "loss scale",
    }
}

fn kind_style(kind: AlarmKind, depth: Depth) -> Style {
    match kind {
        AlarmKind::NonFinite => depth.bad(),
        AlarmKind::Spike
        | AlarmKind::Jump
        | AlarmKind::Layer
        | AlarmKind::LossScaleFalling
        | AlarmKind::RepeatedSkips => depth.warn(),
    }
}
