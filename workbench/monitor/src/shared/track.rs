//! The columns of one run, extracted from its records once; new records are appended.

use std::collections::BTreeMap;
use std::ops::Range;

use logs::{Alarm, Event, Sighting, Watch};

use crate::log::{self, Log};
use crate::view::Revision;

/// What the x axis of curves counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Axis {
    /// Optimiser steps.
    Step,
    /// Samples consumed.
    Samples,
    /// Tokens consumed.
    Tokens,
    /// Seconds spent in training steps; pauses between attempts do not count.
    Time,
}

impl Axis {
    /// By the names that commands and axes have, in the order in which the key goes through them.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("step", Self::Step),
        ("samples", Self::Samples),
        ("tokens", Self::Tokens),
        ("time", Self::Time),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, axis)| *axis == self)
            .map_or("", |(name, _)| name)
    }
}

/// One run's values of a signal, borrowed from its track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curve<'a> {
    /// Record number and value; of a long run first, least, greatest and last value of every few records.
    pub(crate) values: &'a [(u32, f64)],
    /// Step of records, ascending.
    pub(crate) steps: Thinned<'a>,
    /// Place on the x axis of records.
    pub(crate) x: Thinned<'a>,
    pub(crate) run: usize,
    pub(crate) arm: usize,
    /// Whether this is the run under the cursor.
    pub(crate) focus: bool,
}

/// A number for each record that never falls, kept of every few and of the last one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thinned<'a> {
    pub(crate) values: &'a [f64],
    /// Records from one value to the next, a power of two.
    pub(crate) stride: usize,
    /// Number of records.
    pub(crate) records: usize,
}

#[cfg(test)]
impl<'a> Thinned<'a> {
    /// All values.
    pub(crate) fn whole(values: &'a [f64]) -> Self {
        Self {
            values,
            stride: 1,
            records: values.len(),
        }
    }
}

impl Thinned<'_> {
    /// The value of a record, between those that are kept on the line that joins them.
    pub(crate) fn get(self, record: usize) -> Option<f64> {
        if record >= self.records {
            return None;
        }
        // Of a power of two; a division for each of many thousand values takes longer than all else here.
        let at = record >> self.stride.trailing_zeros();
        let (from, behind) = (*self.values.get(at)?, record & (self.stride - 1));
        if behind == 0 {
            return Some(from);
        }
        let to = *self.values.get(at + 1)?;
        let end = ((at + 1) * self.stride).min(self.records - 1);
        Some(from + (to - from) * behind as f64 / (end - at * self.stride) as f64)
    }

    /// Least and greatest value.
    pub(crate) fn ends(self) -> impl Iterator<Item = f64> {
        let ends = [self.values.first(), self.values.last()];
        ends.into_iter().flatten().copied()
    }
}

/// Most values of an axis that are kept of a run, and a fifth of those of a signal: many times the dots of a screen.
const MOST: usize = 1 << 14;
/// The same of all runs together, and the least of one: with many runs each has fewer values, so that memory stays what it is.
const MOST_OF_ALL: usize = 1 << 20;
const LEAST: usize = 1 << 10;
/// Signals whose values are kept: those of all panels and a few that were shown before.
const MOST_SIGNALS: usize = 12;

/// One run's x axes, the signals that are drawn, and its alarms.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Revision of the records it was made from.
    revision: Revision,
    records: usize,
    steps: Places,
    samples: Places,
    tokens: Places,
    seconds: Places,
    /// Seconds of another run that lie behind this one's first step.
    pub(super) behind: f64,
    /// Values of an axis that are kept, at most.
    most: Most,
    signals: BTreeMap<String, Series>,
    /// Events of the last look.
    events: usize,
    watch: Watch,
    /// Records that it was given: none of a run that told of its alarms itself.
    watched: usize,
    alarms: Vec<Alarm>,
    /// The alarms, with those of several rules about one thing as one.
    pub(super) sightings: Vec<Sighting>,
}

/// An axis as far as it was asked for: places of every few records and of the last one, and how many records were looked at.
#[derive(Debug, Default)]
struct Places {
    values: Vec<f64>,
    seen: usize,
}

/// A signal that was asked for: record number and value, and how many records were looked at.
#[derive(Debug, Default)]
struct Series {
    values: Vec<(u32, f64)>,
    seen: usize,
}

/// How many values of an axis are kept of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Most(usize);

impl Default for Most {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Most {
    /// Of each of so many runs.
    pub(super) fn of_each(runs: usize) -> Self {
        Self((MOST_OF_ALL / runs.max(1)).clamp(LEAST, MOST))
    }

    /// How many records there are to one that is kept.
    fn stride(self, records: usize) -> usize {
        records.div_ceil(self.0).next_power_of_two()
    }
}

/// The signals that were asked for last, latest last.
#[derive(Debug, Default)]
pub(super) struct Recent(Vec<String>);

impl Recent {
    /// Notes that a signal is asked for; the signal whose values are to be forgotten, if there are too many.
    pub(super) fn ask(&mut self, signal: &str) -> Option<String> {
        self.0.retain(|known| known != signal);
        self.0.push(signal.to_owned());
        (self.0.len() > MOST_SIGNALS).then(|| self.0.remove(0))
    }
}

impl Track {
    /// Keeps as many values as this, from now on; what was kept otherwise is read again.
    pub(super) fn keep(&mut self, most: Most) {
        let before = self.stride();
        self.most = most;
        if self.stride() != before {
            self.forget_values();
        }
    }

    /// Forgets the values of a signal.
    pub(super) fn forget(&mut self, signal: &str) {
        self.signals.remove(signal);
    }

    fn forget_values(&mut self) {
        self.signals.clear();
        for axis in [
            &mut self.steps,
            &mut self.samples,
            &mut self.tokens,
            &mut self.seconds,
        ] {
            *axis = Places::default();
        }
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes new records in, and says which these are; none when there is nothing new. Records that were rewritten (a resumed
    /// attempt overtook an older one) make it start again.
    pub(super) fn refresh(
        &mut self,
        log: Log<'_>,
        revision: Revision,
        events: &[Event],
    ) -> Option<Range<usize>> {
        let news = self.note(log, revision);
        if news.is_some() || self.events != events.len() {
            self.events = events.len();
            self.find_sightings(log, events);
        }
        news
    }

    /// The rows that a run told of while it trained, or else those that the standard detectors see in its records.
    fn find_sightings(&mut self, log: Log<'_>, events: &[Event]) {
        if let Some(told) = logs::alarm::recorded(events) {
            self.sightings = told;
            return;
        }
        log.visit(self.watched..log.len(), |record| {
            self.alarms.extend(self.watch.observe(record));
        });
        self.watched = log.len();
        self.sightings = logs::sightings(&self.alarms);
    }

    /// Step and signal of what was seen, to tell later what is new.
    pub(super) fn seen(&self) -> Vec<(u64, String)> {
        let seen = |row: &Sighting| (row.alarm.step, row.alarm.signal.clone());
        self.sightings.iter().map(seen).collect()
    }

    /// The rules that saw what had not been seen before.
    pub(super) fn rules_of_new(&self, seen: &[(u64, String)]) -> Vec<String> {
        let is_new = |row: &&Sighting| {
            let mut seen = seen.iter();
            !seen.any(|(step, signal)| (*step, signal) == (row.alarm.step, &row.alarm.signal))
        };
        let new = self.sightings.iter().filter(is_new);
        new.flat_map(|row| row.rules.iter().cloned()).collect()
    }

    fn note(&mut self, log: Log<'_>, revision: Revision) -> Option<Range<usize>> {
        if self.revision == revision && revision.is_some() {
            return None;
        }
        let grown = match (self.revision, revision) {
            (Some((before, length)), Some((now, _))) => before == now && length <= log.len(),
            _ => false,
        };
        if !grown {
            *self = Self {
                behind: self.behind,
                most: self.most,
                ..Self::default()
            };
        }
        self.revision = revision;
        if self.stride() != self.most.stride(log.len()) {
            self.forget_values();
        }
        let known = self.records.min(log.len());
        self.records = log.len();
        Some(known..self.records)
    }

    /// Records of which one has its place on the axes kept.
    fn stride(&self) -> usize {
        self.most.stride(self.records)
    }

    /// Seconds to the end of a step, or of the last one before it.
    pub(super) fn seconds_to(&mut self, log: Log<'_>, step: u64) -> f64 {
        self.need_axis(log, Axis::Time);
        self.last_up_to(step)
            .and_then(|record| self.axis(Axis::Time).get(record))
            .unwrap_or(self.behind)
    }

    /// Extracts a signal and an axis, as far as that has not been done.
    pub(super) fn need(&mut self, log: Log<'_>, signal: &str, axis: Axis) {
        self.need_axis(log, axis);
        let stride = self.stride();
        let series = self.signals.entry(signal.to_owned()).or_default();
        // What is not yet whole is thinned again.
        let whole = series.seen / stride * stride;
        while series
            .values
            .last()
            .is_some_and(|(record, _)| *record as usize >= whole)
        {
            series.values.pop();
        }
        for records in log::chunks(whole..self.records) {
            let column = log.column(signal, records.clone());
            let values = records.zip(column.iter());
            let values = values.filter_map(|(record, value)| Some((record as u32, value?)));
            thin(&values.collect::<Vec<_>>(), stride, &mut series.values);
        }
        series.seen = self.records;
    }

    /// Extracts an axis and the steps, as far as that has not been done.
    pub(super) fn need_axis(&mut self, log: Log<'_>, axis: Axis) {
        let size = (self.stride(), self.records);
        self.steps.extend(size, 0.0, |records| {
            let steps = log.steps(records).into_iter();
            steps.map(|step| Next::At(Some(step as f64))).collect()
        });
        let of = |name: &'static str, next: fn(Option<f64>) -> Next| {
            move |records| log.column(name, records).iter().map(next).collect()
        };
        match axis {
            Axis::Step => {}
            Axis::Samples => self.samples.extend(size, 0.0, of("samples", Next::At)),
            Axis::Tokens => self.tokens.extend(size, 0.0, of("tokens", Next::At)),
            Axis::Time => {
                let seconds = of("step_seconds", Next::Behind);
                self.seconds.extend(size, self.behind, seconds);
            }
        }
    }

    fn axis(&self, axis: Axis) -> Thinned<'_> {
        let places = match axis {
            Axis::Step => &self.steps,
            Axis::Samples => &self.samples,
            Axis::Tokens => &self.tokens,
            Axis::Time => &self.seconds,
        };
        Thinned {
            values: &places.values,
            stride: self.stride(),
            records: self.records,
        }
    }

    /// The last record that is kept up to a step.
    fn last_up_to(&self, step: u64) -> Option<usize> {
        let done = self.steps.values.partition_point(|own| *own <= step as f64);
        let last = done.checked_sub(1)?;
        Some((last * self.stride()).min(self.records.saturating_sub(1)))
    }

    /// Place of a step on an axis that is there: that of the last record up to it.
    pub(super) fn place(&self, step: u64, axis: Axis) -> Option<f64> {
        self.axis(axis).get(self.last_up_to(step).unwrap_or(0))
    }

    /// The values of a signal that is there.
    pub(super) fn values(&self, signal: &str) -> &[(u32, f64)] {
        let series = self.signals.get(signal);
        series.map_or(&[], |series| series.values.as_slice())
    }

    /// A signal over an axis, borrowed.
    pub(super) fn curve(
        &self,
        signal: &str,
        axis: Axis,
        (run, arm): (usize, usize),
        focus: bool,
    ) -> Curve<'_> {
        Curve {
            run,
            values: self.values(signal),
            steps: self.axis(Axis::Step),
            x: self.axis(axis),
            arm,
            focus,
        }
    }
}

/// Of every `stride` records the first, least, greatest and last value, and the first that is not finite: thinning hides no spike.
fn thin(values: &[(u32, f64)], stride: usize, kept: &mut Vec<(u32, f64)>) {
    if stride == 1 {
        kept.extend_from_slice(values);
        return;
    }
    for part in values.chunk_by(|a, b| a.0 as usize / stride == b.0 as usize / stride) {
        let finite = || part.iter().filter(|(_, value)| value.is_finite());
        let ends = [part.first(), part.last()];
        let least = finite().min_by(|a, b| a.1.total_cmp(&b.1));
        let greatest = finite().max_by(|a, b| a.1.total_cmp(&b.1));
        let lost = part.iter().find(|(_, value)| !value.is_finite());
        let mut own: Vec<(u32, f64)> = ends
            .into_iter()
            .chain([least, greatest, lost])
            .flatten()
            .copied()
            .collect();
        own.sort_by_key(|(record, _)| *record);
        own.dedup_by_key(|(record, _)| *record);
        kept.append(&mut own);
    }
}

/// Where an axis is after the next record: a step without the value keeps it where it was, so that x never goes back.
enum Next {
    At(Option<f64>),
    Behind(Option<f64>),
}

impl Next {
    fn from(self, before: f64) -> f64 {
        let finite = |value: &f64| value.is_finite();
        match self {
            Self::At(value) => value
                .filter(finite)
                .map_or(before, |value| value.max(before)),
            Self::Behind(by) => before + by.filter(finite).map_or(0.0, |by| by.max(0.0)),
        }
    }
}

impl Places {
    /// Goes on to so many records; `first` is the place before any, and `next` says what some of them add.
    fn extend(
        &mut self,
        (stride, records): (usize, usize),
        first: f64,
        next: impl Fn(Range<usize>) -> Vec<Next>,
    ) {
        if self.seen > 0 && !(self.seen - 1).is_multiple_of(stride) {
            self.values.pop();
        }
        let mut place = self.values.last().copied().unwrap_or(first);
        let from = match self.values.len() {
            0 => 0,
            kept => (kept - 1) * stride + 1,
        };
        for chunk in log::chunks(from..records) {
            for (record, next) in chunk.clone().zip(next(chunk)) {
                place = next.from(place);
                if record.is_multiple_of(stride) || record + 1 == records {
                    self.values.push(place);
                }
            }
        }
        self.seen = records;
    }
}

/// Adds names of signals that can be drawn, in the order of the signal table; unknown ones follow.
pub(super) fn add_names(known: &mut Vec<String>, names: Vec<String>) {
    // Counters that serve as axes are no curves.
    let is_new =
        |name: &String| !matches!(name.as_str(), "samples" | "tokens") && !known.contains(name);
    let mut new: Vec<String> = names.into_iter().filter(is_new).collect();
    if new.is_empty() {
        return;
    }
    known.append(&mut new);
    known.sort_by_key(|name| {
        let mut signals = logs::SIGNALS.iter();
        signals
            .position(|known| known.name == name)
            .unwrap_or(usize::MAX)
    });
}

#[cfg(test)]
mod tests;
