//! Everything derived from the data, cached by what it was derived from: a frame in which nothing changed
//! computes nothing.

use logs::Sighting;

use crate::layout::{self, Layout};
use crate::state::{Axis, Column, CurveChoices, Facts, Pane, State};
use crate::view::{Details, Revision, Source};

mod alarms;
mod chart;
mod heat;
mod order;
mod reduce;
mod track;

pub(crate) use chart::{Chart, Tone};
pub(crate) use heat::{Cell, Heat};
use track::Track;

/// A line of the alarms pane.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AlarmRow {
    pub(crate) run: usize,
    pub(crate) sighting: Sighting,
}

/// The derived data of one screen.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    tracks: Vec<Track>,
    /// Names of the arms, in order of appearance.
    pub(crate) arms: Vec<String>,
    /// Arm number of every run.
    pub(crate) arm_of: Vec<usize>,
    /// Run numbers in the order of the table.
    pub(crate) order: Vec<usize>,
    pub(crate) alarms: Vec<AlarmRow>,
    /// Alarm lines of all runs, whatever the pane shows.
    pub(crate) alarm_total: usize,
    /// Upper and lower chart.
    pub(crate) charts: [Chart; 2],
    pub(crate) heat: Heat,
    pub(crate) details: Details,
    signals: Vec<String>,
    layer_signals: Vec<String>,
    chart_keys: [Option<ChartKey>; 2],
    heat_key: Option<HeatKey>,
    revisions: Vec<Revision>,
}

#[derive(Debug, Clone, PartialEq)]
struct ChartKey {
    revisions: Vec<Revision>,
    selected: Vec<bool>,
    /// Only where it shows: the focused run is drawn brighter when runs are drawn one by one.
    focus: Option<usize>,
    signal: String,
    choices: CurveChoices,
    columns: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct HeatKey {
    run: usize,
    revision: Revision,
    signal: String,
    columns: usize,
}

impl Scene {
    /// Takes new records in. Call it after a poll that found something.
    pub(crate) fn refresh(&mut self, source: &dyn Source) {
        let runs = &source.sweep().runs;
        self.arms.clear();
        self.arm_of.clear();
        for run in runs {
            let arm = self
                .arms
                .iter()
                .position(|name| *name == run.arm)
                .unwrap_or_else(|| {
                    self.arms.push(run.arm.clone());
                    self.arms.len() - 1
                });
            self.arm_of.push(arm);
        }
        self.tracks.resize_with(runs.len(), Track::default);
        for (run, track) in self.tracks.iter_mut().enumerate() {
            let records = source.records(run);
            if track.refresh(records, source.revision(run), source.events(run)) {
                // The first and the last record name every signal.
                for record in records.first().into_iter().chain(records.last()) {
                    track::add_names(record, &mut self.signals, &mut self.layer_signals);
                }
            }
        }
        self.revisions = self.tracks.iter().map(Track::revision).collect();
    }

    /// What the state must know to carry out the next action on this screen.
    pub(crate) fn facts(&self, layout: &Layout, help_hidden: usize) -> Facts {
        Facts {
            order: self.order.clone(),
            arms: self.arm_of.clone(),
            alarm_runs: self.alarms.iter().map(|row| row.run).collect(),
            signals: self.signals.clone(),
            layer_signals: self.layer_signals.clone(),
            panes: layout.panes.iter().map(|(pane, _)| *pane).collect(),
            page: [layout.page(Pane::Runs), layout.page(Pane::Alarms)],
            help_hidden,
        }
    }

    /// Sorts and filters; cheap, and needed before the state can be fitted to the data.
    pub(crate) fn arrange(&mut self, source: &dyn Source, state: &State) {
        self.order = order::sorted(
            &source.sweep().runs,
            &self.arm_of,
            state.sort,
            state.descending,
        );
        self.alarm_total = self.tracks.iter().map(|track| track.sightings.len()).sum();
        self.alarms = alarms::rows(&self.tracks, state.alarms_of_run.then_some(state.cursor));
    }

    /// Prepares what the panes of this layout draw.
    pub(crate) fn prepare(&mut self, source: &mut dyn Source, state: &State, layout: &Layout) {
        if let Some(pane) = layout.pane(Pane::Curves) {
            let plots = layout::charts(layout::inner(pane));
            for (index, signal) in ["loss", state.signal.as_str()].into_iter().enumerate() {
                self.prepare_chart(
                    source,
                    state,
                    index,
                    signal,
                    usize::from(plots[index].width) * 2,
                );
            }
        }
        if let Some(pane) = layout.pane(Pane::Layers) {
            let columns = usize::from(heat::plot(layout::inner(pane)).width);
            let key = HeatKey {
                run: state.cursor,
                revision: self.revisions.get(state.cursor).copied().flatten(),
                signal: state.layer_signal.clone(),
                columns,
            };
            if self.heat_key.as_ref() != Some(&key) {
                let records = if state.cursor < self.tracks.len() {
                    source.layer_records(state.cursor)
                } else {
                    &[]
                };
                if let Some(record) = records.last() {
                    track::add_names(record, &mut self.signals, &mut self.layer_signals);
                }
                self.heat = Heat::build(records, &state.layer_signal, columns);
                self.heat_key = Some(key);
            }
        }
        self.details = match layout.details {
            Some(_) if state.cursor < self.tracks.len() => source.details(state.cursor),
            _ => Details::default(),
        };
    }

    fn prepare_chart(
        &mut self,
        source: &dyn Source,
        state: &State,
        index: usize,
        signal: &str,
        columns: usize,
    ) {
        let selected: Vec<bool> = (0..self.tracks.len())
            .map(|run| state.is_selected(run))
            .collect();
        let key = ChartKey {
            revisions: self.revisions.clone(),
            focus: (!state.curves.grouped).then_some(state.cursor),
            selected,
            signal: signal.into(),
            choices: state.curves,
            columns,
        };
        if self.chart_keys[index].as_ref() == Some(&key) {
            return;
        }
        let chosen: Vec<usize> = (0..self.tracks.len())
            .filter(|run| key.selected[*run])
            .collect();
        for run in &chosen {
            self.tracks[*run].need(source.records(*run), signal);
        }
        let curves: Vec<chart::Curve> = chosen
            .iter()
            .map(|run| {
                self.tracks[*run].curve(
                    signal,
                    state.curves.axis,
                    self.arm_of[*run],
                    Some(*run) == key.focus,
                )
            })
            .collect();
        self.charts[index] = chart::build(
            signal,
            &curves,
            self.arms.len(),
            state.curves,
            index,
            columns,
        );
        self.chart_keys[index] = Some(key);
    }
}

/// Heat map geometry, shared by preparation and drawing.
pub(crate) fn heat_plot(inner: ratatui::layout::Rect) -> ratatui::layout::Rect {
    heat::plot(inner)
}

/// Columns of the table whose values are numbers, which are aligned to the right.
pub(crate) fn is_number(column: Column) -> bool {
    matches!(
        column,
        Column::Seed | Column::Step | Column::Loss | Column::HeldOut
    )
}

/// Label of a position on an x axis.
pub(crate) fn axis_label(axis: Axis, value: f64, step: f64) -> String {
    match axis {
        Axis::Step | Axis::Tokens => crate::number::tick(value, step),
        Axis::Time => words::short_duration(value),
    }
}
