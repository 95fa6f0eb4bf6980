//! What the panes share: the sweep as it stands, and which of its runs the user points at and draws.

use std::ops::Range;

use logs::{EventKind, Record, Sighting};
use ratatui::{
    style::Modifier,
    text::{Line, Span},
};
use sweeps::PlannedRun;

use crate::colour::{Depth, Ink};
use crate::error::MonitorError;
use crate::scroll::Scroll;
use crate::start::Start;
use crate::view::{Details, Revision, Run, Source, Sweep, ended};

mod beside;
mod configs;
mod filter;
mod groups;
mod owners;
mod selection;
mod study;
mod track;

use configs::Configs;
use filter::Filter;
pub(crate) use filter::resolve;
use groups::Groups;
pub(crate) use owners::Owned;
use study::Judged;
pub(crate) use study::{Axes, Study, UNCOUNTED};
#[cfg(test)]
pub(crate) use track::Thinned;
pub(crate) use track::{Axis, Curve};
use track::{Most, Recent, Track};

pub(crate) struct Shared {
    source: Box<dyn Source>,
    tracks: Vec<Track>,
    judged: Judged,
    recent: Recent,
    /// The arms, or what runs are grouped by instead.
    pub(crate) groups: Groups,
    pub(crate) filter: Filter,
    configs: Configs,
    /// Which runs the filter takes.
    shown: Vec<bool>,
    /// Whether the cursor goes to a run that is trained.
    pub(crate) follow: bool,
    /// Whether what went wrong stands on top of the table.
    pub(crate) failed_first: bool,
    /// Run numbers in the order of the table, which cursor keys follow on every pane.
    pub(crate) order: Vec<usize>,
    /// Rows of the table that are on the screen: how far a page goes.
    pub(crate) page: usize,
    /// The run under the cursor, by its number in the sweep: sorting does not move the cursor off its run.
    pub(crate) cursor: usize,
    /// Which runs have curves, by run number. Runs not listed yet are selected.
    selected: Vec<bool>,
    /// Whether new alarms may ring.
    pub(crate) bell: bool,
    /// A command that a pane wants to have started, or why it cannot be; the screen asks.
    pub(crate) to_ask: Option<Result<Start, String>>,
    /// Signals with a value a step, and with one a layer, as far as any record has named them.
    pub(crate) signals: Vec<String>,
    pub(crate) layer_signals: Vec<String>,
}

/// Something that happened to a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// Place on the axis that was asked for.
    pub(crate) x: f64,
    pub(crate) ink: Ink,
    pub(crate) kind: MarkKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// A detector saw something in the signal.
    Alarm,
    /// An attempt went on from a checkpoint.
    Attempt,
    /// A policy or a person changed something.
    Intervention,
    /// The run left another one.
    Fork,
}

impl MarkKind {
    pub(crate) fn glyph(self) -> &'static str {
        match self {
            Self::Alarm => "▲",
            Self::Attempt => "↻",
            Self::Intervention => "⚑",
            Self::Fork => "├",
        }
    }
}

/// What a look at the files brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Whether the screen changes.
    pub(crate) changed: bool,
    /// Whether a run that asks for a bell has a new alarm, and the user has not turned the bell off.
    pub(crate) bell: bool,
}

/// A run as titles name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) text: String,
    pub(crate) ink: Ink,
}

/// A column of names of runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelColumn {
    /// Whether the keys of the arms stand in the heading alone.
    pub(crate) brief: bool,
    pub(crate) width: u16,
    pub(crate) heading: String,
}

impl Label {
    /// In the colour of its arm.
    pub(crate) fn span(&self, depth: Depth) -> Span<'static> {
        let style = depth.arm(self.ink).add_modifier(Modifier::BOLD);
        Span::styled(self.text.clone(), style)
    }
}

impl Shared {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        let mut shared = Self {
            judged: Judged::new(source.as_ref()),
            source,
            tracks: Vec::new(),
            recent: Recent::default(),
            groups: Groups::default(),
            filter: Filter::default(),
            configs: Configs::default(),
            shown: Vec::new(),
            follow: false,
            failed_first: false,
            order: Vec::new(),
            page: 0,
            cursor: 0,
            selected: Vec::new(),
            bell: true,
            to_ask: None,
            signals: Vec::new(),
            layer_signals: Vec::new(),
        };
        // Alarms that are there already are no news.
        shared.refresh();
        shared
    }

    /// Takes in what is new on disk.
    pub(crate) fn poll(&mut self) -> Result<News, MonitorError> {
        let changed = self.source.poll()?;
        let alarms = if changed { self.refresh() } else { Vec::new() };
        let rings = |(run, rules): &(usize, Vec<String>)| {
            let asked = self.source.bells(*run);
            asked.iter().any(|rule| rules.contains(rule))
        };
        let bell = self.bell && alarms.iter().any(rings);
        Ok(News { changed, bell })
    }

    /// Whether the run begins with a state of another one.
    pub(crate) fn is_branch(&self, run: usize) -> bool {
        self.run(run).is_some_and(|run| run.branch.is_some())
    }

    /// Takes new records and events in. Returns the runs with new alarms, and the rules that raised them.
    fn refresh(&mut self) -> Vec<(usize, Vec<String>)> {
        let source = self.source.as_ref();
        let runs = &source.sweep().runs;
        self.configs.follow(source);
        self.groups.assign(runs, &self.configs);
        self.shown = shown(runs, &self.filter, &self.configs);
        self.judged.refresh(source);
        self.tracks.resize_with(runs.len(), Track::default);
        let most = Most::of_each(runs.len());
        let mut alarms = Vec::new();
        for (run, shown) in runs.iter().enumerate() {
            let behind = shown.branch.map_or(0.0, |branch| {
                self.tracks[branch.of].seconds_to(source.log(branch.of), branch.forked_at)
            });
            let track = &mut self.tracks[run];
            track.behind = behind;
            track.keep(most);
            let seen = track.seen();
            let log = source.log(run);
            if let Some(new) = track.refresh(log, source.revision(run), source.events(run)) {
                track::add_names(&mut self.signals, log.names(new));
            }
            let rules = track.rules_of_new(&seen);
            if !rules.is_empty() {
                alarms.push((run, rules));
            }
        }
        alarms
    }

    pub(crate) fn sweep(&self) -> &Sweep {
        self.source.sweep()
    }

    pub(crate) fn runs(&self) -> Range<usize> {
        0..self.tracks.len()
    }

    pub(crate) fn run(&self, run: usize) -> Option<&Run> {
        self.sweep().runs.get(run)
    }

    /// The arm of a run.
    pub(crate) fn arm(&self, run: usize) -> usize {
        self.groups.of(run)
    }

    pub(crate) fn label(&self, run: usize) -> Label {
        self.labelled(run, false)
    }

    /// The names of runs for a column of at most so many cells: whole where all of them fit, else without the keys of their arms,
    /// which then head the column.
    pub(crate) fn column(&self, most: u16) -> LabelColumn {
        let longest = |brief: bool| {
            let widths = self
                .runs()
                .map(|run| Line::raw(self.labelled(run, brief).text).width());
            widths.max().unwrap_or(0) as u16
        };
        let heading = self.groups.arms.heading();
        let brief = longest(false) > most && !heading.is_empty();
        let heading = if brief { heading } else { "run".to_owned() };
        let widest = longest(brief).max(Line::raw(heading.as_str()).width() as u16);
        LabelColumn {
            brief,
            width: widest.clamp(4, most.max(4)),
            heading,
        }
    }

    /// How a run is named; `brief` leaves the keys of its arm out.
    pub(crate) fn labelled(&self, run: usize, brief: bool) -> Label {
        let arm = self.groups.arm_name(run, brief);
        let text = self
            .run(run)
            .map_or_else(String::new, |run| match run.seed {
                Some(seed) => format!("{arm} s{seed}"),
                None => arm.to_owned(),
            });
        Label {
            text,
            ink: self.ink(run),
        }
    }

    /// Whether every run has ended, so that news is rare.
    pub(crate) fn ended(&self) -> bool {
        self.sweep().runs.iter().all(|run| ended(run.state))
    }

    /// What was seen in every run, in the order of the runs.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = (usize, &Sighting)> {
        let tracks = self.tracks.iter().enumerate();
        tracks.flat_map(|(run, track)| track.sightings.iter().map(move |sighting| (run, sighting)))
    }

    /// States of the records of all runs: what is derived from them stays as it is while these do.
    pub(crate) fn revisions(&self) -> Vec<Revision> {
        self.tracks.iter().map(Track::revision).collect()
    }

    /// State of the records of one run.
    pub(crate) fn revision(&self, run: usize) -> Revision {
        self.tracks.get(run).and_then(Track::revision)
    }

    /// Signals over an axis, one curve a run.
    pub(crate) fn curves(&mut self, runs: &[usize], signal: &str, axis: Axis) -> Vec<Curve<'_>> {
        if let Some(old) = self.recent.ask(signal) {
            self.tracks.iter_mut().for_each(|track| track.forget(&old));
        }
        for run in runs {
            self.tracks[*run].need(self.source.log(*run), signal, axis);
        }
        let curve = |run: &usize| {
            let focus = *run == self.cursor;
            self.tracks[*run].curve(signal, axis, (*run, self.groups.of(*run)), focus)
        };
        runs.iter().map(curve).collect()
    }

    /// The records of the run under the cursor with a per-layer signal, of some steps.
    pub(crate) fn layer_records(&mut self, signal: &str, steps: Range<u64>) -> Vec<Record> {
        if self.cursor >= self.tracks.len() {
            return Vec::new();
        }
        let log = self.source.log(self.cursor);
        track::add_names(&mut self.layer_signals, log.layer_names());
        log.layers(signal, steps)
    }

    /// Those of them that came after a step.
    pub(crate) fn layer_records_after(&self, signal: &str, step: u64) -> Vec<Record> {
        if self.cursor >= self.tracks.len() {
            return Vec::new();
        }
        let newer = step.saturating_add(1)..u64::MAX;
        self.source.log(self.cursor).with_layer(signal, newer)
    }

    /// What happened on the way, by place on an axis: alarms about a signal of these runs, and of the run under the cursor where
    /// an attempt went on, somebody intervened, or it left another run.
    pub(crate) fn marks(&mut self, runs: &[usize], signal: &str, axis: Axis) -> Vec<Mark> {
        for run in runs {
            self.tracks[*run].need_axis(self.source.log(*run), axis);
        }
        let mark = |run: usize, step: u64, kind: MarkKind| {
            let x = self.tracks[run].place(step, axis)?;
            Some(Mark {
                x,
                ink: self.ink(run),
                kind,
            })
        };
        let alarms = runs.iter().flat_map(|run| {
            self.tracks[*run]
                .sightings
                .iter()
                .map(move |seen| (*run, seen))
        });
        let alarms = alarms.filter(|(_, seen)| seen.alarm.signal == signal);
        let alarms = alarms.filter_map(|(run, seen)| mark(run, seen.alarm.step, MarkKind::Alarm));
        let here = Some(self.cursor).filter(|run| runs.contains(run));
        let events = here.into_iter().flat_map(|run| {
            self.source
                .events(run)
                .iter()
                .map(move |event| (run, event))
        });
        let events = events.filter_map(|(run, event)| match event.kind {
            EventKind::Resume => mark(run, event.step, MarkKind::Attempt),
            EventKind::Intervention => mark(run, event.step, MarkKind::Intervention),
            _ => None,
        });
        let forks =
            here.and_then(|run| mark(run, self.run(run)?.branch?.forked_at, MarkKind::Fork));
        alarms.chain(events).chain(forks).collect()
    }

    /// The training losses of a run.
    pub(crate) fn losses(&mut self, run: usize) -> &[(u32, f64)] {
        self.tracks[run].need(self.source.log(run), "loss", Axis::Step);
        self.tracks[run].values("loss")
    }

    /// More about the run under the cursor.
    pub(crate) fn details(&self) -> Details {
        if self.cursor < self.tracks.len() {
            self.source.details(self.cursor)
        } else {
            Details::default()
        }
    }

    /// How a run is drawn.
    pub(crate) fn ink(&self, run: usize) -> Ink {
        self.groups.ink(self.groups.of(run))
    }

    /// Whether the filter takes a run.
    pub(crate) fn is_shown(&self, run: usize) -> bool {
        self.shown.get(run).copied().unwrap_or(true)
    }

    /// The sweep on disk that a run belongs to, and what it has planned for it.
    pub(crate) fn planned(&self, run: usize) -> Option<(&sweeps::Sweep, &PlannedRun)> {
        self.source.planned(run)
    }

    /// Puts the cursor on a run. Who points at one wants it to stay there.
    pub(crate) fn go(&mut self, run: usize) {
        self.follow = false;
        self.cursor = run;
    }

    /// Whether any run is trained now.
    pub(crate) fn is_any_running(&self) -> bool {
        let mut runs = self.sweep().runs.iter();
        runs.any(|run| run.state == sweeps::State::Running)
    }

    /// Puts the cursor on a run that is trained, unless it is on one.
    pub(crate) fn follow_running(&mut self) {
        let runs = &self.source.sweep().runs;
        let running = |run: &usize| {
            runs.get(*run)
                .is_some_and(|run| run.state == sweeps::State::Running)
        };
        if self.follow && !running(&self.cursor) {
            let next = self.order.iter().copied().find(running);
            self.cursor = next.unwrap_or(self.cursor);
        }
    }

    /// Place of the cursor in the table.
    pub(crate) fn row(&self) -> usize {
        let row = self.order.iter().position(|run| *run == self.cursor);
        row.unwrap_or(0)
    }

    /// Moves the cursor along the table. Runs move one by one, since every one redraws the heat map.
    pub(crate) fn scroll(&mut self, by: Scroll) {
        self.follow = false;
        let row = by.from(self.row(), self.order.len(), self.page, 1);
        if let Some(run) = self.order.get(row) {
            self.cursor = *run;
        }
    }
}

/// Which runs a filter takes; a branch goes with its run.
fn shown(runs: &[Run], filter: &Filter, configs: &Configs) -> Vec<bool> {
    let of = |(number, run): (usize, &Run)| {
        let number = run.branch.map_or(number, |branch| branch.of);
        filter.takes(&runs[number], configs.of(number))
    };
    runs.iter().enumerate().map(of).collect()
}

/// The next (or previous) name of a list, around its end.
pub(crate) fn turn(name: &mut String, names: &[String], by: isize) {
    if names.is_empty() {
        return;
    }
    let next = match names.iter().position(|other| other == name) {
        Some(here) => (here as isize + by).rem_euclid(names.len() as isize) as usize,
        None => 0,
    };
    name.clone_from(&names[next]);
}

#[cfg(test)]
mod tests;
