//! The columns of one run, extracted from its records once; new records are appended.

use std::collections::BTreeMap;

use logs::{Alarm, Event, Name, Record, Sighting, Watch};

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
    /// Record number and value.
    pub(crate) values: &'a [(u32, f64)],
    /// Step of every record, ascending.
    pub(crate) steps: &'a [f64],
    /// Place on the x axis of every record.
    pub(crate) x: &'a [f64],
    pub(crate) run: usize,
    pub(crate) arm: usize,
    /// Whether this is the run under the cursor.
    pub(crate) focus: bool,
}

/// One run's x axes, the signals that are drawn, and its alarms.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Revision of the records it was made from.
    revision: Revision,
    steps: Vec<f64>,
    samples: Vec<f64>,
    tokens: Vec<f64>,
    seconds: Vec<f64>,
    /// Seconds of another run that lie behind this one's first step.
    pub(super) behind: f64,
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

/// A signal that was asked for: record number and value, and how many records were looked at.
#[derive(Debug, Default)]
struct Series {
    values: Vec<(u32, f64)>,
    seen: usize,
}

impl Track {
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Takes new records in; `false` when there are none. Records that were rewritten (a resumed attempt
    /// overtook an older one) make it start again.
    pub(super) fn refresh(
        &mut self,
        records: &[Record],
        revision: Revision,
        events: &[Event],
    ) -> bool {
        let news = self.read(records, revision);
        if news || self.events != events.len() {
            self.events = events.len();
            self.find_sightings(records, events);
        }
        news
    }

    /// The rows that a run told of while it trained, or else those that the standard detectors see in its records.
    fn find_sightings(&mut self, records: &[Record], events: &[Event]) {
        if let Some(told) = logs::alarm::recorded(events) {
            self.sightings = told;
            return;
        }
        for record in &records[self.watched..] {
            self.alarms.extend(self.watch.observe(record));
        }
        self.watched = records.len();
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

    fn read(&mut self, records: &[Record], revision: Revision) -> bool {
        if self.revision == revision && revision.is_some() {
            return false;
        }
        let grown = match (self.revision, revision) {
            (Some((before, length)), Some((now, _))) => before == now && length <= records.len(),
            _ => false,
        };
        if !grown {
            *self = Self {
                behind: self.behind,
                ..Self::default()
            };
        }
        self.revision = revision;
        for record in &records[self.steps.len()..] {
            grow(&mut self.samples, record.scalar("samples"));
            grow(&mut self.tokens, record.scalar("tokens"));
            let before = self.seconds.last().copied().unwrap_or(self.behind);
            let seconds = record
                .scalar("step_seconds")
                .filter(|seconds| seconds.is_finite() && *seconds > 0.0);
            self.seconds.push(before + seconds.unwrap_or(0.0));
            self.steps.push(record.step as f64);
        }
        true
    }

    /// Seconds to the end of a step, or of the last one before it.
    pub(super) fn seconds_to(&self, step: u64) -> f64 {
        let done = self.steps.partition_point(|own| *own <= step as f64);
        let last = done.checked_sub(1).and_then(|last| self.seconds.get(last));
        last.copied().unwrap_or(self.behind)
    }

    /// Extracts a signal, as far as that has not been done.
    pub(super) fn need(&mut self, records: &[Record], signal: &str) {
        let series = self.signals.entry(signal.to_owned()).or_default();
        for (number, record) in records.iter().enumerate().skip(series.seen) {
            if let Some(value) = record.scalar(signal) {
                series.values.push((number as u32, value));
            }
        }
        series.seen = records.len();
    }

    fn axis(&self, axis: Axis) -> &[f64] {
        match axis {
            Axis::Step => &self.steps,
            Axis::Samples => &self.samples,
            Axis::Tokens => &self.tokens,
            Axis::Time => &self.seconds,
        }
    }

    /// Place of a step on an axis: that of the last record up to it.
    pub(super) fn place(&self, step: u64, axis: Axis) -> Option<f64> {
        let done = self.steps.partition_point(|own| *own <= step as f64);
        self.axis(axis).get(done.max(1) - 1).copied()
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
            values: self
                .signals
                .get(signal)
                .map_or(&[], |series| series.values.as_slice()),
            steps: &self.steps,
            x: self.axis(axis),
            arm,
            focus,
        }
    }
}

/// A step without the value keeps the axis where it was, so that x never goes back.
fn grow(axis: &mut Vec<f64>, value: Option<f64>) {
    let before = axis.last().copied().unwrap_or(0.0);
    let value = value.filter(|value| value.is_finite());
    axis.push(value.map_or(before, |value| value.max(before)));
}

/// Adds the signals of a record that can be drawn, in the order of the signal table; unknown ones follow.
pub(super) fn add_names(record: &Record, scalars: &mut Vec<String>, layers: &mut Vec<String>) {
    let add = |names: &mut Vec<String>, new: &mut dyn Iterator<Item = &Name>| {
        let before = names.len();
        for name in new {
            if names.iter().all(|known| known != name.as_str()) {
                names.push(name.to_string());
            }
        }
        if names.len() > before {
            names.sort_by_key(|name| {
                logs::SIGNALS
                    .iter()
                    .position(|known| known.name == name)
                    .unwrap_or(usize::MAX)
            });
        }
    };
    // Counters that serve as axes are no curves.
    let axis = |name: &&Name| !matches!(name.as_str(), "samples" | "tokens");
    add(scalars, &mut record.scalars.keys().filter(axis));
    add(layers, &mut record.layers.keys());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64, loss: f64) -> Record {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        record.set_named("tokens", 256.0 * step as f64);
        record.set_named("step_seconds", 0.5);
        record
    }

    #[test]
    fn growing_a_track_equals_building_it_at_once() {
        let mut records: Vec<Record> = (1..=300)
            .map(|step| record(step, 3.0 + 0.01 * (step % 5) as f64))
            .collect();
        records[250].set_named("loss", 30.0);
        let mut grown = Track::default();
        for length in [10, 200, 251, 300] {
            assert!(grown.refresh(&records[..length], Some((0, length)), &[]));
            grown.need(&records[..length], "loss");
        }
        let mut whole = Track::default();
        whole.refresh(&records, Some((0, 300)), &[]);
        whole.need(&records, "loss");
        assert_eq!(grown.signals["loss"].values, whole.signals["loss"].values);
        assert_eq!(grown.seconds, whole.seconds);
        assert_eq!(grown.sightings, whole.sightings);
        assert!(!grown.sightings.is_empty());
        assert!(
            !grown.refresh(&records, Some((0, 300)), &[]),
            "nothing new, nothing done"
        );
    }

    #[test]
    fn rewritten_records_replace_everything() {
        let mut track = Track::default();
        track.refresh(&[record(1, 3.0), record(2, f64::NAN)], Some((0, 2)), &[]);
        track.need(&[record(1, 3.0), record(2, f64::NAN)], "loss");
        assert_eq!(track.sightings.len(), 1);
        let rewritten = [record(1, 3.0), record(2, 2.0)];
        assert!(track.refresh(&rewritten, Some((1, 2)), &[]));
        track.need(&rewritten, "loss");
        assert_eq!(track.signals["loss"].values, [(0, 3.0), (1, 2.0)]);
        assert!(track.sightings.is_empty());
    }

    #[test]
    fn what_is_trained_again_is_no_news() {
        let mut records = vec![record(1, 3.0), record(2, f64::NAN)];
        let mut track = Track::default();
        track.refresh(&records, Some((0, 2)), &[]);
        let seen = track.seen();
        records.push(record(3, 3.0));
        track.refresh(&records, Some((1, 3)), &[]);
        assert_eq!(track.rules_of_new(&seen), [""; 0]);
        records[0].set_named("loss", f64::INFINITY);
        track.refresh(&records, Some((2, 3)), &[]);
        assert_eq!(track.rules_of_new(&seen), ["non-finite"]);
    }

    /// A run's own alarms are shown as it told of them, and not computed a second time beside them.
    #[test]
    fn a_run_that_watched_itself_shows_what_it_told() {
        let mut records: Vec<Record> = (1..=300)
            .map(|step| record(step, 3.0 + 0.01 * (step % 5) as f64))
            .collect();
        records[250].set_named("loss", 30.0);
        let start = Event::now(0, logs::EventKind::Start, "training starts");
        let mut events = vec![logs::alarm::watched_by(start, &["jump-loss"])];
        let mut track = Track::default();
        assert!(track.refresh(&records, Some((0, 300)), &events));
        assert!(track.sightings.is_empty());
        let entries = logs::alarm::DETECTORS.iter();
        let mut watch = Watch::new(entries.filter(|entry| entry.name == "jump-loss"));
        let news = records.iter().flat_map(|record| watch.news(record));
        events.extend(news.map(|news| news.event()));
        assert!(
            !track.refresh(&records, Some((0, 300)), &events),
            "no new records"
        );
        let rules: Vec<_> = track
            .sightings
            .iter()
            .map(|row| row.rules.join(" "))
            .collect();
        assert_eq!(rules, ["jump-loss"]);
        // An events file that was moved away leaves what can be computed.
        track.refresh(&records, Some((0, 300)), &[]);
        assert!(track.sightings[0].rules.len() > 1);
    }
}
