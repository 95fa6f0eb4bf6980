//! The alarms: what the detectors found, latest step first.

use experiments_config::Override;
use logs::{Alarm, AlarmKind, Sighting};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::command::{PaneCommand, commands};
use crate::keys::{Binding, bindings, letter};
use crate::list::List;
use crate::number::{compact, count};
use crate::paint::{cut, cut_middle, highlight, hint, put, put_right};
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Label, LabelColumn, Shared};
use crate::start::Start;

pub(super) const ENTRY: Entry = Entry {
    name: "alarms",
    title: "Alarms",
    about: "alarms",
    corner: Some(Corner::LowerLeft),
    make: || Box::new(Alarms::default()),
};

/// Rows for a notch of the wheel.
const NOTCH: isize = 3;

#[derive(Default)]
struct Alarms {
    /// Only of the run under the cursor.
    of_run: bool,
    cursor: usize,
    list: List,
    page: usize,
    quiet: bool,
    run: Label,
    /// All of them, whatever fits.
    found: Vec<Found>,
    /// Those on the screen.
    rows: Vec<AlarmRow>,
    names: LabelColumn,
}

/// An alarm of the list.
struct Found {
    run: usize,
    step: u64,
    kind: AlarmKind,
}

/// A line of the list.
struct AlarmRow {
    label: Label,
    sighting: Sighting,
}

impl Keys for Alarms {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('f')] "f" "this run/all" "alarms of the run under the cursor, or of all runs" |pane, _| pane.turn_scope();
        [letter('R')] "R" "replay" "replay the step of the alarm under the cursor (asks first)" |pane, shared| shared.to_ask = Some(pane.replay(shared, ""));
        [letter('b')] "b" "bell" "bell at new alarms of runs that ask for it, on or off" |_, shared| shared.bell = !shared.bell;
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "replay" "[STEP]" "replay the step of the alarm, or this step of the run" =>
            |pane, shared, step| { shared.to_ask = Some(Ok(pane.replay(shared, step)?)); Ok(()) },
            |_, _| Vec::new(), |_, _| None;
        "fork" "DIR [STEP] [KEY=VALUE …]" "train a fork from 8 steps before that step, as changed" =>
            |pane, shared, words| { shared.to_ask = Some(Ok(pane.fork(shared, words)?)); Ok(()) },
            |_, _| Vec::new(), |_, _| None;
    ];
}

impl Pane for Alarms {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else {
            // What is not on the screen cannot be pointed at.
            self.found.clear();
            return;
        };
        self.run = shared.label(shared.cursor);
        self.quiet = !shared.bell;
        self.names = shared.column((List::area(place.area).width / 3).min(40));
        let seen = self.listed(shared);
        let found = |(run, sighting): &(usize, &Sighting)| Found {
            run: *run,
            step: sighting.alarm.step,
            kind: sighting.alarm.kind,
        };
        self.found = seen.iter().map(found).collect();
        self.cursor = self.cursor.min(seen.len().saturating_sub(1));
        self.page = List::page(place.area);
        self.list.fit(self.cursor, seen.len(), self.page);
        let row = |(run, sighting): &(usize, &Sighting)| AlarmRow {
            label: shared.labelled(*run, self.names.brief),
            sighting: (*sighting).clone(),
        };
        let visible = seen.iter().skip(self.list.offset).take(self.page);
        self.rows = visible.map(row).collect();
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let frame = place.area;
        place
            .frame(self.title(depth), self.counts(depth), depth)
            .title_bottom(self.list.shown(frame).style(depth.dim()))
            .render(frame, buffer);
        if self.found.is_empty() {
            hint(buffer, place.inner(), "no alarms", depth);
            return;
        }
        let list = List::area(frame);
        let columns = Columns::new(list, self.names.width);
        columns.headings(place.inner(), &self.names.heading, depth, buffer);
        for ((area, row), index) in list.rows().zip(&self.rows).zip(self.list.offset..) {
            row.draw(&columns, area, depth, buffer);
            if index == self.cursor && place.focused {
                highlight(area, depth, buffer);
            }
        }
        self.list.scrollbar(frame, depth, buffer);
    }

    fn click(&mut self, at: Position, place: Place, _shared: &mut Shared) {
        self.cursor = self.list.row_at(at, place.area).unwrap_or(self.cursor);
    }

    fn scroll(&mut self, by: Scroll, _shared: &mut Shared) {
        self.cursor = by.from(self.cursor, self.found.len(), self.page, NOTCH);
    }

    /// To the run of the alarm.
    fn enter(&self, shared: &mut Shared) -> Option<&'static str> {
        shared.go(self.found.get(self.cursor)?.run);
        Some(super::runs::ENTRY.name)
    }
}

impl Alarms {
    fn turn_scope(&mut self) {
        self.of_run = !self.of_run;
        (self.cursor, self.list) = (0, List::default());
    }

    /// The run and the step that are meant: of the alarm under the cursor or, with a number, of the run under the cursor.
    fn meant(&self, shared: &Shared, step: &str) -> Result<(usize, u64), String> {
        if step.is_empty() {
            let found = self.found.get(self.cursor);
            let found =
                found.ok_or("no alarm is on the screen; a step can be given: `:replay STEP`")?;
            return Ok((found.run, found.step));
        }
        let step = step.parse().ok().filter(|step: &u64| *step > 0);
        let step = step.ok_or("a step is a whole number from 1 on")?;
        Ok((shared.cursor, step))
    }

    fn replay(&self, shared: &Shared, step: &str) -> Result<Start, String> {
        let (run, step) = self.meant(shared, step)?;
        let (folder, name) = shared.trained(run)?;
        Ok(Start::replay(folder, &name, step))
    }

    fn fork(&self, shared: &Shared, words: &str) -> Result<Start, String> {
        let words = shlex::split(words).ok_or("a quote is not closed")?;
        let mut words = words.iter().map(String::as_str).peekable();
        let out = words
            .next()
            .ok_or("a directory for the fork, such as `:fork runs/lower optimizer.lr=1e-3`")?;
        let step = words.next_if(|word| !word.contains('=')).unwrap_or("");
        let keys: Vec<&str> = words.collect();
        let wrong = keys.iter().find(|key| key.parse::<Override>().is_err());
        if let Some(wrong) = wrong {
            return Err(format!("`{wrong}` is no KEY=VALUE"));
        }
        let (run, step) = self.meant(shared, step)?;
        let (folder, name) = shared.trained(run)?;
        Ok(Start::fork(folder, &name, step, out, &keys))
    }

    /// The latest step first, within a step in the order of the runs. Twins of a run repeat its alarms: those of a branch
    /// are shown with the branch alone.
    fn listed<'a>(&self, shared: &'a Shared) -> Vec<(usize, &'a Sighting)> {
        let wanted = |run: usize| {
            if self.of_run {
                run == shared.cursor
            } else {
                !shared.is_branch(run)
            }
        };
        let seen = shared
            .sightings()
            .filter(|(run, _)| wanted(*run) && shared.is_shown(*run));
        let mut seen: Vec<(usize, &Sighting)> = seen.collect();
        seen.sort_by_key(|(_, sighting)| std::cmp::Reverse(sighting.alarm.step));
        seen
    }

    fn title(&self, depth: Depth) -> Line<'static> {
        let mut title = vec![Span::styled(" Alarms ", strong())];
        if self.of_run {
            let dot = Span::styled("· ", depth.dim());
            title.extend([dot, self.run.span(depth), Span::raw(" ")]);
        } else {
            title.push(Span::styled("· all runs ", depth.dim()));
        }
        if self.quiet {
            title.push(Span::styled("· bell off ", depth.warn()));
        }
        Line::from(title)
    }

    /// How many there are of every kind.
    fn counts(&self, depth: Depth) -> Line<'static> {
        let count = |kind: AlarmKind| {
            let found = self.found.iter();
            found.filter(|found| found.kind == kind).count()
        };
        let kinds = KINDS.map(|kind| (kind, count(kind))).into_iter();
        let kinds = kinds.filter(|(_, number)| *number > 0);
        let spans = kinds.flat_map(|(kind, number)| {
            [
                Span::styled(format!(" {} ", glyph(kind)), kind_style(kind, depth)),
                Span::styled(format!("{number} {} ", name(kind)), depth.dim()),
            ]
        });
        spans.collect()
    }
}

/// The kinds in the order in which they are counted.
const KINDS: [AlarmKind; 6] = [
    AlarmKind::NonFinite,
    AlarmKind::Spike,
    AlarmKind::Jump,
    AlarmKind::Layer,
    AlarmKind::LossScaleFalling,
    AlarmKind::RepeatedSkips,
];

impl AlarmRow {
    fn draw(&self, columns: &Columns, area: Rect, depth: Depth, buffer: &mut Buffer) {
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

    fn headings(&self, inner: Rect, names: &str, depth: Depth, buffer: &mut Buffer) {
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
