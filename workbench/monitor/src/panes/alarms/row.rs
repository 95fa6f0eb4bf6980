//! A line of the list of alarms: where its columns are, and what it says.

use logs::{Alarm, AlarmKind, Sighting};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::colour::Depth;
use crate::number::{compact, count};
use crate::paint::{cut, cut_middle, put, put_right};
use crate::shared::Label;

/// A line of the list.
pub(super) struct AlarmRow {
    pub(super) label: Label,
    pub(super) sighting: Sighting,
}

impl AlarmRow {
    pub(super) fn draw(&self, columns: &Columns, area: Rect, depth: Depth, buffer: &mut Buffer) {
        let alarm = &self.sighting.alarm;
        let style = kind_style(alarm.kind, depth);
        put(buffer, area, area.x, glyph(alarm.kind), style);
        let label = cut_middle(&self.label.text, columns.run_width);
        put(buffer, area, columns.run, &label, depth.arm(self.label.ink));
        let step = count(alarm.step);
        put_right(buffer, area, columns.step, &step, Style::new());
        let mut text = message(alarm);
        if columns.rule < area.right() {
            let rules = cut(&rules(&self.sighting), RULE);
            put(buffer, area, columns.rule, &rules, depth.dim());
        } else if alarm.kind == AlarmKind::Spike {
            text = format!("{text} · {}", rules(&self.sighting));
        }
        let end = columns.rule.min(area.right() + 1);
        let text = cut(&text, end.saturating_sub(columns.message + 1));
        put(buffer, area, columns.message, &text, Style::new());
    }
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
pub(super) struct Columns {
    run: u16,
    run_width: u16,
    step: u16,
    message: u16,
    rule: u16,
}

impl Columns {
    pub(super) fn new(list: Rect, run_width: u16) -> Self {
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

    pub(super) fn headings(&self, inner: Rect, names: &str, depth: Depth, buffer: &mut Buffer) {
        let head = Rect { height: 1, ..inner };
        let names = cut(names, self.run_width);
        put(buffer, head, self.run, &names, depth.dim());
        put_right(buffer, head, self.step, "step", depth.dim());
        put(buffer, head, self.message, "what", depth.dim());
        if self.rule < head.right() {
            put(buffer, head, self.rule, "rule", depth.dim());
        }
    }
}

/// What was seen, in as few columns as it takes.
pub(super) fn message(alarm: &Alarm) -> String {
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

pub(super) fn glyph(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Spike | AlarmKind::Jump => "▲",
        AlarmKind::Layer => "◆",
        AlarmKind::NonFinite => "✕",
        AlarmKind::LossScaleFalling | AlarmKind::RepeatedSkips => "▼",
    }
}

pub(super) fn name(kind: AlarmKind) -> &'static str {
    match kind {
        AlarmKind::Spike => "spike",
        AlarmKind::Jump => "jump",
        AlarmKind::Layer => "layer",
        AlarmKind::RepeatedSkips => "skips",
        AlarmKind::NonFinite => "non-finite",
        AlarmKind::LossScaleFalling => "loss scale",
    }
}

pub(super) fn kind_style(kind: AlarmKind, depth: Depth) -> Style {
    match kind {
        AlarmKind::NonFinite => depth.bad(),
        AlarmKind::Spike
        | AlarmKind::Jump
        | AlarmKind::Layer
        | AlarmKind::LossScaleFalling
        | AlarmKind::RepeatedSkips => depth.warn(),
    }
}
