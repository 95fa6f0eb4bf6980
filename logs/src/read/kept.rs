//! What a reader gives of its records, wherever they are kept: in memory, in the index, or, where that cannot be read any more, in
//! the lines.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::index::{Column, Columns, FileState, Found, Index, PART, State, WORTH};
use super::place::{Line, Place};
use super::span::{self, ABSENT, Bits};
use super::tail::{self, Tail};
use super::{Reading, RunReader};
use crate::error::LogError;
use crate::record::{Layers, Name, Names, Record};
use crate::run::{RollBack, metrics_file};
use crate::signal::{SKIPPED, split_layer};
use crate::spike::{LOOK_BACK, LossSpike, Spike, Spikes};

impl RunReader {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len() + self.merged.records.len()
    }

    /// Whether nothing has been recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Step of the last record; 0 without one.
    #[must_use]
    pub fn last_step(&self) -> u64 {
        let last = self.merged.records.last().map(|record| record.step);
        last.or(self.index.last_step()).unwrap_or(0)
    }

    /// (step, value) of a signal where it was recorded; `layer_grad_norm[3]` names one layer.
    #[must_use]
    pub fn series(&self, name: &str) -> Vec<(u64, f64)> {
        if self.index.len() == 0 || split_layer(name).is_some() {
            let records = self.merged.records.iter();
            return records
                .filter_map(|record| Some((record.step, record.value(name)?)))
                .collect();
        }
        let (steps, column) = (self.steps(0..self.len()), self.column(name, 0..self.len()));
        let values = steps.iter().zip(column.iter());
        values
            .filter_map(|(step, value)| Some((*step, value?)))
            .collect()
    }

    /// A scalar of some of the records, which are counted from 0.
    #[must_use]
    pub fn column(&self, name: &str, records: Range<usize>) -> Column {
        let Ok(mut column) = self.index.column(name, &records) else {
            return self.lines().column(name, records);
        };
        column.extend(&Column::of(&self.merged.records[self.own(&records)], name));
        column
    }

    /// What a per-layer signal does in some of the records, which are counted from 0.
    pub(super) fn spans(&self, signal: &str, records: Range<usize>) -> Vec<Bits> {
        let Ok(mut spans) = self.index.spans(signal, &records) else {
            return self.lines().spans(signal, records);
        };
        let own = self.own(&records);
        if self.reading == Reading::Layers {
            let own = self.merged.records[own].iter();
            spans.extend(own.map(|record| span::of_record(record, signal)));
        } else {
            let mut layered = self.merged.layered.iter();
            let at = layered.position(|name| name.as_str() == signal);
            let bits = |line: &Line| at.and_then(|at| line.spans.get(at).copied());
            let own = self.merged.lines[own].iter();
            spans.extend(own.map(|line| bits(line).unwrap_or(ABSENT)));
        }
        spans
    }

    /// Steps of some of the records, which are counted from 0.
    #[must_use]
    pub fn steps(&self, records: Range<usize>) -> Vec<u64> {
        let Ok(mut steps) = self.index.steps(&records) else {
            return self.lines().steps(records);
        };
        let own = &self.merged.records[self.own(&records)];
        steps.extend(own.iter().map(|record| record.step));
        steps
    }

    /// The records of some steps, counted from 0.
    fn records_of(&self, steps: &Range<u64>) -> Range<usize> {
        let before = |step: u64| -> usize {
            let chunks = (0..self.len()).step_by(PART);
            let chunks = chunks.map(|from| self.steps(from..self.len().min(from + PART)));
            let before = chunks.map(|steps| steps.partition_point(|own| *own < step));
            before.sum()
        };
        let start = if steps.start == 0 {
            0
        } else {
            before(steps.start)
        };
        let end = if steps.end == u64::MAX {
            self.len()
        } else {
            before(steps.end)
        };
        start..end.max(start)
    }

    /// Which of the records in memory belong to some of all.
    fn own(&self, records: &Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let at = at.saturating_sub(self.index.len());
            at.min(self.merged.records.len())
        };
        place(records.start)..place(records.end)
    }

    /// All records with these scalars, at least.
    #[must_use]
    pub fn select(&self, names: &[&str]) -> Cow<'_, [Record]> {
        if self.index.len() == 0 {
            return Cow::Borrowed(&self.merged.records);
        }
        let mut all = Vec::with_capacity(self.len());
        let add = |columns: &Columns, own| all.extend(columns.records(own, &self.names));
        let whole = 0..self.index.len();
        let read = self.index.visit(&whole, Some(names), &self.names, add);
        if read.is_err() {
            return self.lines().select(names);
        }
        all.extend_from_slice(&self.merged.records);
        Cow::Owned(all)
    }

    /// Shows some of the records, which are counted from 0, one after the other.
    pub fn visit(&self, records: Range<usize>, mut visit: impl FnMut(&Record)) {
        let mut next = records.start;
        let mut show = |record: &Record| {
            visit(record);
            next += 1;
        };
        let read = self
            .index
            .visit(&records, None, &self.names, |columns, own| {
                columns.records(own, &self.names).iter().for_each(&mut show);
            });
        match read {
            Ok(()) => self.merged.records[self.own(&records)]
                .iter()
                .for_each(show),
            Err(_) => self.lines().visit(next..records.end, visit),
        }
    }

    /// The records of some steps with their per-layer signals, from their lines.
    #[must_use]
    pub fn with_layers(&self, steps: Range<u64>) -> Vec<Record> {
        self.lines_of(steps, Layers::All)
    }

    /// The records of some steps that have a per-layer signal, with that one only, from their lines.
    #[must_use]
    pub fn with_layer(&self, signal: &str, steps: Range<u64>) -> Vec<Record> {
        let records = self.lines_of(steps, Layers::One(signal)).into_iter();
        records.filter_map(|record| only(&record, signal)).collect()
    }

    fn lines_of(&self, steps: Range<u64>, layers: Layers<'_>) -> Vec<Record> {
        let place = |step| self.merged.records.partition_point(|own| own.step < step);
        let own = place(steps.start)..place(steps.end);
        if self.reading == Reading::Layers {
            return self.merged.records[own].to_vec();
        }
        let Ok(mut places) = self.index.places(&steps) else {
            return self.lines().lines_of(steps, layers);
        };
        places.extend(self.merged.lines[own].iter().map(|line| line.place));
        self.records_at(&places, layers)
    }

    /// The records that have a per-layer signal, with that one only, from their lines. Of a run with more than `most` records about
    /// so many are looked at: of every few the first one, those in which the signal is greatest, least, roughest or smoothest over depth or not
    /// finite in some layer, or the loss, a norm of all gradients or updates, the largest attention score or a count of rounded
    /// values greatest or not finite, and all that an alarm of the run is about.
    #[must_use]
    pub fn layers(&self, signal: &str, most: usize) -> Vec<Record> {
        self.layers_within(signal, 0..u64::MAX, most)
    }

    /// Like [`RunReader::layers`], of the records of some steps.
    #[must_use]
    pub fn layers_within(&self, signal: &str, steps: Range<u64>, most: usize) -> Vec<Record> {
        let records = self.records_of(&steps);
        let telling = self.telling(signal, records.clone(), most);
        if self.reading == Reading::Layers {
            let records = telling.iter().map(|at| &self.merged.records[*at]);
            return records.filter_map(|record| only(record, signal)).collect();
        }
        let Ok(mut places) = self.index.places(&steps) else {
            return self.lines().layers_within(signal, steps, most);
        };
        let own = self.own(&records);
        places.extend(self.merged.lines[own].iter().map(|line| line.place));
        let places: Vec<Place> = telling
            .iter()
            .filter_map(|at| places.get(*at - records.start).copied())
            .collect();
        let records = self.records_at(&places, Layers::One(signal)).into_iter();
        records.filter_map(|record| only(&record, signal)).collect()
    }

    /// The spikes of the loss with their owners.
    #[must_use]
    pub fn loss_spikes(&self) -> Vec<LossSpike> {
        let mut found = Spikes::of("loss");
        let losses = (0..self.len())
            .step_by(PART)
            .map(|from| from..self.len().min(from + PART));
        for part in losses {
            let (steps, skipped) = (
                self.steps(part.clone()),
                self.column(SKIPPED.0.name, part.clone()),
            );
            for ((step, loss), skipped) in steps
                .iter()
                .zip(self.column("loss", part).iter())
                .zip(skipped.iter())
            {
                if let Some(loss) = loss {
                    found.observe(*step, loss, skipped == Some(1.0));
                }
            }
        }
        let owned = |spike: Spike| {
            let before = spike.first.saturating_sub(LOOK_BACK)..spike.first;
            LossSpike::of(spike, &self.with_layers(before))
        };
        found.all().into_iter().map(owned).collect()
    }

    /// The names of all scalars that any record has.
    #[must_use]
    pub fn scalar_names(&self) -> BTreeSet<String> {
        self.scalar_names_of(0..self.len())
    }

    /// The names of the scalars that some of the records have, which are counted from 0; of those in the index, the names of all.
    #[must_use]
    pub fn scalar_names_of(&self, records: Range<usize>) -> BTreeSet<String> {
        let indexed = records.start < self.index.len();
        let indexed = self.index.names().filter(|_| indexed);
        // Most records have the names of the one before.
        let own = self.merged.records[self.own(&records)]
            .chunk_by(|a, b| a.scalars.keys().eq(b.scalars.keys()));
        let own = own.filter_map(<[Record]>::first);
        let own = own.flat_map(|record| record.scalars.keys().map(Name::as_str));
        indexed.chain(own).map(str::to_owned).collect()
    }

    /// The records of lines. A line that is no more what it was is left out.
    fn records_at(&self, places: &[Place], layers: Layers<'_>) -> Vec<Record> {
        let (mut names, mut found) = (Names::default(), Vec::new());
        for of_file in places.chunk_by(|a, b| a.attempt == b.attempt) {
            let path = self.dir.join(metrics_file(of_file[0].attempt));
            let offsets = of_file.iter().map(|place| place.offset);
            // What was read before an error counts.
            let _ = tail::lines_at(&path, offsets, |line| {
                found.extend(Record::parse_bytes(line, layers, &mut names));
            });
        }
        found
    }

    /// The run as its lines have it. What cannot be read of them is not there.
    fn lines(&self) -> &Self {
        self.lines.get_or_init(|| {
            let mut reader = Self::new(&self.dir, Reading::Lines);
            let _ = reader.poll();
            Box::new(reader)
        })
    }

    /// Goes on from the index; whether that should be written again.
    pub(super) fn go_on(&mut self) -> Result<bool, LogError> {
        if self.reading != Reading::Scalars || !self.dir.is_dir() {
            return Ok(false);
        }
        // What was abandoned must not get into the index.
        self.events.poll()?;
        let events = self.events.all().iter();
        let (index, found) = Index::open(&self.dir);
        let Some(Found { state, outdated }) = found else {
            self.merged.roll_backs = events.filter_map(RollBack::of).collect();
            return Ok(false);
        };
        self.index = index;
        self.names.restore(&state.names);
        (self.merged.newest, self.merged.roll_backs) = (state.newest, state.roll_backs);
        for FileState { attempt, done, .. } in state.files {
            let path = self.dir.join(metrics_file(attempt));
            self.attempts.push((attempt, Tail::behind(path, done)));
        }
        self.indexed = self.bytes();
        self.find_latest();
        Ok(outdated)
    }

    /// Bytes of lines that are done with.
    pub(super) fn bytes(&self) -> u64 {
        let attempts = self.attempts.iter();
        attempts.map(|(_, tail)| tail.done().offset).sum()
    }

    /// Whether what is not in the index takes time to be read again.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.bytes().saturating_sub(self.indexed) >= WORTH
    }

    /// Moves all records from memory into the index.
    pub(super) fn seal(&mut self) {
        if self.reading != Reading::Scalars {
            return;
        }
        self.indexed = self.bytes();
        if self.index.has_room() || self.merged.records.is_empty() {
            let last = self.index.last_step().unwrap_or(u64::MAX);
            if !self.merged.unseal(&mut self.index, last, &self.names) {
                self.forget(Reading::Lines);
                return;
            }
        }
        let records = std::mem::take(&mut self.merged.records);
        let lines = std::mem::take(&mut self.merged.lines);
        if !records.is_empty() {
            let columns = Columns::of(&records, &lines, &self.merged.layered);
            self.index.push(columns, self.state());
        }
    }

    /// How far the run was read; none where its files could not be recognised.
    fn state(&self) -> Option<State> {
        let attempts = self.attempts.iter();
        let files = attempts.map(|(number, tail)| FileState::of(&self.dir, *number, tail.done()));
        Some(State {
            files: files.collect::<Option<_>>()?,
            names: self.names.taken(),
            newest: self.merged.newest,
            roll_backs: self.merged.roll_backs.clone(),
        })
    }

    /// Finds the record that was written last.
    pub(super) fn find_latest(&mut self) {
        self.latest = self.merged.latest().cloned().or_else(|| {
            let (_, step) = self.merged.newest?;
            let places = self.index.places(&(step..step.checked_add(1)?)).ok()?;
            self.records_at(&places, Layers::None).pop()
        });
    }
}

/// A record with one per-layer signal and nothing else; none where it has not that one.
fn only(record: &Record, signal: &str) -> Option<Record> {
    let (name, values) = record.layers.get_key_value(signal)?;
    let mut only = Record::new(record.step);
    only.layers.insert(name.clone(), values.clone());
    Some(only)
}
