//! What the panes share: the sweep as it stands, and which of its runs the user points at and draws.

use std::ops::Range;

use logs::{Record, Sighting};
use ratatui::{style::Modifier, text::Span};

use crate::colour::Depth;
use crate::error::MonitorError;
use crate::scroll::Scroll;
use crate::view::{Details, Revision, Run, Source, Sweep, ended};

mod track;

use track::Track;
pub(crate) use track::{Axis, Curve};

pub(crate) struct Shared {
    source: Box<dyn Source>,
    tracks: Vec<Track>,
    /// Names of the arms, in order of appearance.
    pub(crate) arms: Vec<String>,
    /// Arm number of every run.
    arm_of: Vec<usize>,
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
    /// Signals with a value a step, and with one a layer, as far as any record has named them.
    pub(crate) signals: Vec<String>,
    pub(crate) layer_signals: Vec<String>,
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
    pub(crate) arm: usize,
}

impl Label {
    /// In the colour of its arm.
    pub(crate) fn span(&self, depth: Depth) -> Span<'static> {
        let style = depth.arm(self.arm).add_modifier(Modifier::BOLD);
        Span::styled(self.text.clone(), style)
    }
}

impl Shared {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        let mut shared = Self {
            source,
            tracks: Vec::new(),
            arms: Vec::new(),
            arm_of: Vec::new(),
            order: Vec::new(),
            page: 0,
            cursor: 0,
            selected: Vec::new(),
            bell: true,
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
        (self.arms, self.arm_of) = arms(runs);
        self.tracks.resize_with(runs.len(), Track::default);
        let mut alarms = Vec::new();
        for (run, shown) in runs.iter().enumerate() {
            let behind = shown.branch.map_or(0.0, |branch| {
                self.tracks[branch.of].seconds_to(branch.forked_at)
            });
            let track = &mut self.tracks[run];
            track.behind = behind;
            let seen = track.seen();
            let records = source.records(run);
            if track.refresh(records, source.revision(run), source.events(run)) {
                // The first and the last record name every signal.
                for record in records.first().into_iter().chain(records.last()) {
                    track::add_names(record, &mut self.signals, &mut self.layer_signals);
                }
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
        self.arm_of.get(run).copied().unwrap_or(0)
    }

    pub(crate) fn label(&self, run: usize) -> Label {
        Label {
            text: self.run(run).map_or_else(String::new, Run::label),
            arm: self.arm(run),
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
        for run in runs {
            self.tracks[*run].need(self.source.records(*run), signal);
        }
        let curve = |run: &usize| {
            let focus = *run == self.cursor;
            self.tracks[*run].curve(signal, axis, self.arm_of[*run], focus)
        };
        runs.iter().map(curve).collect()
    }

    /// The records of the run under the cursor with their per-layer signals.
    pub(crate) fn layer_records(&mut self) -> &[Record] {
        if self.cursor >= self.tracks.len() {
            return &[];
        }
        let records = self.source.layer_records(self.cursor);
        if let Some(record) = records.last() {
            track::add_names(record, &mut self.signals, &mut self.layer_signals);
        }
        records
    }

    /// More about the run under the cursor.
    pub(crate) fn details(&self) -> Details {
        if self.cursor < self.tracks.len() {
            self.source.details(self.cursor)
        } else {
            Details::default()
        }
    }

    /// Whether a run's curves are drawn.
    pub(crate) fn is_selected(&self, run: usize) -> bool {
        self.selected.get(run).copied().unwrap_or(true)
    }

    /// Chooses anew which runs have curves.
    pub(crate) fn select(&mut self, choose: impl Fn(&Self, usize) -> bool) {
        self.selected = self.runs().map(|run| choose(self, run)).collect();
    }

    /// Draws the runs of a kind, or drops them where all of them are drawn.
    pub(crate) fn toggle(&mut self, kind: impl Fn(&Self, usize) -> bool) {
        let mut of_kind = self.runs().filter(|run| kind(self, *run));
        let all = of_kind.all(|run| self.is_selected(run));
        self.select(|shared, run| {
            if kind(shared, run) {
                !all
            } else {
                shared.is_selected(run)
            }
        });
    }

    /// Place of the cursor in the table.
    pub(crate) fn row(&self) -> usize {
        let row = self.order.iter().position(|run| *run == self.cursor);
        row.unwrap_or(0)
    }

    /// Moves the cursor along the table. Runs move one by one, since every one redraws the heat map.
    pub(crate) fn scroll(&mut self, by: Scroll) {
        let row = by.from(self.row(), self.order.len(), self.page, 1);
        if let Some(run) = self.order.get(row) {
            self.cursor = *run;
        }
    }
}

/// Names of the arms in order of appearance, and the arm of every run.
fn arms(runs: &[Run]) -> (Vec<String>, Vec<usize>) {
    let mut arms: Vec<String> = Vec::new();
    let mut arm_of = Vec::with_capacity(runs.len());
    for run in runs {
        let known = arms.iter().position(|name| *name == run.arm);
        arm_of.push(known.unwrap_or(arms.len()));
        if known.is_none() {
            arms.push(run.arm.clone());
        }
    }
    (arms, arm_of)
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
