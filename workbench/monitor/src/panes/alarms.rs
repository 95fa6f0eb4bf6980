//! The alarms: what the detectors found, latest step first.

use std::path::PathBuf;

use logs::{Alarm, AlarmKind, Sighting};
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use crate::colour::{Depth, strong};
use crate::command::{self, PaneCommand, commands};
use crate::document::{self, TextRow, Window};
use crate::keys::{Binding, bindings, ctrl, letter};
use crate::list::List;
use crate::paint::{self, highlight, hint};
use crate::pane::{Act, Corner, Entry, Keys, Pane, Place};
use crate::scroll::Scroll;
use crate::shared::{Label, LabelColumn, Owned, Shared};
use crate::view::Revision;
use row::{AlarmRow, Columns, glyph, kind_style, name};

mod commands;
mod details;
mod row;
mod table;

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
    /// The alarm that somebody chose, which has the cursor wherever it stands; none takes the latest.
    held: Option<Held>,
    list: List,
    page: usize,
    quiet: bool,
    run: Label,
    /// All of them, whatever fits.
    found: Vec<Held>,
    /// Those on the screen.
    rows: Vec<AlarmRow>,
    names: LabelColumn,
    /// What is known of the alarm under the cursor, where there is room for it.
    details: Vec<TextRow>,
    window: Window,
    /// The alarm that it is about, and its owner as of the records that it was read from.
    about: Option<(Held, Revision)>,
    owner: Owned,
    replays: Vec<PathBuf>,
}

/// What an alarm is known by as the list changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    run: usize,
    step: u64,
    signal: String,
    /// The row of values that are not finite stands beside another one of their signal.
    kind: AlarmKind,
}

impl Held {
    fn of(run: usize, alarm: &Alarm) -> Self {
        Self {
            run,
            step: alarm.step,
            signal: alarm.signal.clone(),
            kind: alarm.kind,
        }
    }

    fn is(&self, run: usize, alarm: &Alarm) -> bool {
        (self.run, self.step, self.kind, &self.signal)
            == (run, alarm.step, alarm.kind, &alarm.signal)
    }
}

impl Keys for Alarms {
    const BINDINGS: &'static [Binding<Act<Self>>] = bindings![
        [letter('f')] "f" "this run/all" "alarms of the run under the cursor, or of all runs" |pane, _| pane.turn_scope();
        [letter('R')] "R" "replay" "replay the step of the alarm under the cursor (asks first)" |pane, shared| shared.to_ask = Some(pane.replay(shared, ""));
        [letter('J')] "J" "scroll" "details of the alarm: one row down" |pane, _| pane.window.scroll(Scroll::Rows(1));
        [letter('K')] "K" "" "details of the alarm: one row up" |pane, _| pane.window.scroll(Scroll::Rows(-1));
        [ctrl('d')] "ctrl-d" "" "details of the alarm: one page down" |pane, _| pane.window.scroll(Scroll::Pages(1));
        [ctrl('u')] "ctrl-u" "" "details of the alarm: one page up" |pane, _| pane.window.scroll(Scroll::Pages(-1));
        [letter('b')] "b" "bell" "bell at new alarms of runs that ask for it, on or off" |_, shared| shared.bell = !shared.bell;
    ];

    const COMMANDS: &'static [PaneCommand<Self>] = commands![
        "alarms" "run|all" "alarms of the run under the cursor, or of all runs" =>
            |pane, _, whose| { pane.scope(command::one_of(whose, SCOPES)?); Ok(()) },
            |_, _| SCOPES.map(|(name, _)| name.to_owned()).into(),
            |pane, _| pane.of_run.then(|| "run".to_owned());
        "alarm" "STEP [SIGNAL [RUN [KIND]]]" "cursor on this alarm; alone on the latest" =>
            Self::hold,
            |_, shared| shared.signals.clone(),
            |pane, shared| pane.held(shared);
        "alarm-details" "ROW" "details of the alarm from this row on; alone all" =>
            Self::read_from, |_, _| Vec::new(), |pane, _| pane.window.chosen.map(|row| (row + 1).to_string());
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
        let (list, below) = areas(place);
        self.run = shared.label(shared.cursor);
        self.quiet = !shared.bell;
        self.names = shared.column((List::area(list).width / 3).min(40));
        let seen = self.listed(shared);
        let found = |(run, sighting): &(usize, &Sighting)| Held::of(*run, &sighting.alarm);
        self.found = seen.iter().map(found).collect();
        let held = self.held.as_ref().and_then(|held| {
            let mut seen = seen.iter();
            seen.position(|(run, sighting)| held.is(*run, &sighting.alarm))
        });
        let kept = self.held.as_ref().map_or(0, |_| self.cursor);
        self.cursor = held.unwrap_or(kept).min(seen.len().saturating_sub(1));
        self.page = List::page(list);
        self.list.fit(self.cursor, seen.len(), self.page);
        let row = |(run, sighting): &(usize, &Sighting)| AlarmRow {
            label: shared.labelled(*run, self.names.brief),
            sighting: (*sighting).clone(),
        };
        let visible = seen.iter().skip(self.list.offset).take(self.page);
        self.rows = visible.map(row).collect();
        let chosen = seen.get(self.cursor).copied();
        match chosen.zip(below) {
            Some(((run, sighting), below)) => self.tell(shared, run, sighting, below),
            None => self.details.clear(),
        }
    }

    /// A replay may have come to its end.
    fn look(&mut self, shared: &mut Shared) -> bool {
        let about = self.about.as_ref().filter(|_| !self.details.is_empty());
        about.is_some_and(|(held, _)| details::replays(shared, held.run, held.step) != self.replays)
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let (frame, below) = areas(place);
        let place = Place {
            area: frame,
            ..place
        };
        place
            .frame(self.title(depth), self.counts(depth), depth)
            .title_bottom(self.list.shown(frame).style(depth.dim()))
            .render(frame, buffer);
        if let Some(below) = below {
            let block = paint::frame(depth.faint())
                .title_top(Line::styled(" The alarm under the cursor ", depth.dim()))
                .title_bottom(self.window.shown().style(depth.dim()));
            let inner = block.inner(below);
            block.render(below, buffer);
            document::draw(&self.details, self.window, "", inner, depth, buffer);
        }
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
        if let Some(row) = self.list.row_at(at, areas(place).0) {
            self.choose(row);
        }
    }

    fn scroll(&mut self, by: Scroll, _shared: &mut Shared) {
        self.choose(by.from(self.cursor, self.found.len(), self.page, NOTCH));
    }

    fn wheel(&mut self, at: Position, notches: isize, place: Place, shared: &mut Shared) {
        let by = Scroll::Notches(notches);
        if areas(place).1.is_some_and(|details| details.contains(at)) {
            self.window.scroll(by);
        } else {
            self.scroll(by, shared);
        }
    }

    fn table(&self, shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        Some(table::table(shared, &self.listed(shared)))
    }

    /// To the run of the alarm.
    fn enter(&self, shared: &mut Shared) -> Option<&'static str> {
        shared.go(self.found.get(self.cursor)?.run);
        Some(super::runs::ENTRY.name)
    }
}

/// Whose alarms are listed.
const SCOPES: [(&str, bool); 2] = [("all", false), ("run", true)];

/// The list and, where there is room, what is known of one alarm below it.
fn areas(place: Place) -> (Rect, Option<Rect>) {
    let area = place.area;
    if !place.alone || area.height < 16 {
        return (area, None);
    }
    let details = (area.height / 3).clamp(10, 24).min(area.height / 2);
    let details = Constraint::Length(details);
    let [list, details] = Layout::vertical([Constraint::Fill(1), details]).areas(area);
    (list, Some(details))
}

impl Alarms {
    fn turn_scope(&mut self) {
        self.scope(!self.of_run);
    }

    fn scope(&mut self, of_run: bool) {
        self.of_run = of_run;
        (self.cursor, self.list, self.held) = (0, List::default(), None);
        self.window.chosen = None;
    }

    /// Puts the cursor on a row of the list, and keeps it on its alarm.
    fn choose(&mut self, row: usize) {
        if let Some(found) = self.found.get(row) {
            if row != self.cursor {
                self.window.chosen = None;
            }
            self.cursor = row;
            self.held = Some(found.clone());
        }
    }

    /// Makes ready what is known of an alarm.
    fn tell(&mut self, shared: &Shared, run: usize, sighting: &Sighting, area: Rect) {
        let alarm = &sighting.alarm;
        let held = Held::of(run, alarm);
        if self.about.as_ref().is_some_and(|(about, _)| *about != held) {
            self.window.chosen = None;
        }
        let about = Some((held, shared.revision(run)));
        if self.about != about {
            self.owner = shared.owner(run, alarm.step);
            self.about = about;
        }
        self.replays = details::replays(shared, run, alarm.step);
        let inner = paint::frame(Style::new()).inner(area);
        self.details = details::rows(
            shared,
            run,
            sighting,
            &self.owner,
            &self.replays,
            inner.width,
        );
        self.window.fit(self.details.len(), inner.height, false);
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
