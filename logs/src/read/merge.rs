//! Several attempts as one run, without what roll-backs abandoned.

use super::index::{Columns, Index};
use super::place::Line;
use super::span;
use crate::record::{Name, Names, Record};
use crate::run::RollBack;

/// Records sorted by step, each with the attempt it came from.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) records: Vec<Record>,
    /// Line of each record.
    pub(super) lines: Vec<Line>,
    /// The per-layer signals, in the order of [`Line::spans`].
    pub(super) layered: Vec<Name>,
    /// Records that belong between others, in the order in which they came.
    between: Vec<(Record, Line)>,
    /// Attempt and step of the record that the newest attempt wrote last.
    pub(super) newest: Option<(u32, u64)>,
    /// Rises when a record is replaced, inserted before others or taken out.
    pub(super) revision: u64,
    /// Least step of those, since this was last emptied.
    pub(super) changed: Option<u64>,
    pub(super) roll_backs: Vec<RollBack>,
}

impl Merged {
    /// Adds a record; one of the same step from the same or an earlier attempt is replaced. What does not
    /// come last has its place only after [`Merged::settle`].
    pub(super) fn insert(&mut self, record: Record, line: Line) {
        let attempt = line.place.attempt;
        if self.is_abandoned(record.step, attempt) {
            return;
        }
        if self.newest.is_none_or(|(newest, _)| attempt >= newest) {
            self.newest = Some((attempt, record.step));
        }
        // Nearly always the record is the last one.
        if self
            .records
            .last()
            .is_none_or(|last| last.step < record.step)
        {
            self.records.push(record);
            self.lines.push(line);
            return;
        }
        match self.position(record.step) {
            Ok(at) if self.lines[at].place.attempt > attempt => {}
            Ok(at) => {
                self.change(record.step);
                self.records[at] = record;
                self.lines[at] = line;
            }
            Err(_) => {
                self.change(record.step);
                self.between.push((record, line));
            }
        }
    }

    /// Notes that records from this step on are others than before.
    pub(super) fn change(&mut self, from: u64) {
        self.revision += 1;
        self.changed = Some(self.changed.map_or(from, |known| known.min(from)));
    }

    /// Puts all records in their places, at once: one by one, a file in descending order would move
    /// each record as often as there are lines.
    pub(super) fn settle(&mut self) {
        if self.between.is_empty() {
            return;
        }
        let known = std::mem::take(&mut self.records).into_iter();
        let mut all: Vec<(Record, Line)> = known.zip(std::mem::take(&mut self.lines)).collect();
        all.append(&mut self.between);
        // Stable: of one attempt's records of a step, the one that came last is the last.
        all.sort_by_key(|(record, line)| (record.step, line.place.attempt));
        for (record, line) in all {
            if self
                .records
                .last()
                .is_some_and(|last| last.step == record.step)
            {
                self.records.pop();
                self.lines.pop();
            }
            self.records.push(record);
            self.lines.push(line);
        }
    }

    /// Takes the records from a step on, and some before it, out of the index; false where they cannot be read.
    pub(super) fn unseal(&mut self, index: &mut Index, from: u64, names: &Names) -> bool {
        while index.last_step().is_some_and(|last| last >= from) {
            let Ok(Some(columns)) = index.pop(names) else {
                return false;
            };
            let mut records = columns.records(0..columns.steps.len(), names);
            records.append(&mut self.records);
            let mut lines = self.lines_of(&columns, names);
            lines.append(&mut self.lines);
            (self.records, self.lines) = (records, lines);
        }
        true
    }

    fn lines_of(&mut self, columns: &Columns, names: &Names) -> Vec<Line> {
        let mut spans = vec![Vec::new(); columns.places.len()];
        for (name, column) in &columns.spans {
            let name = names.known(name);
            for (own, bits) in spans.iter_mut().zip(column) {
                span::put(own, &mut self.layered, &name, *bits);
            }
        }
        let places = columns.places.iter().zip(spans);
        let line = |(place, spans): (&_, Vec<_>)| Line {
            place: *place,
            spans: spans.into(),
        };
        places.map(line).collect()
    }

    fn is_abandoned(&self, step: u64, attempt: u32) -> bool {
        let mut all = self.roll_backs.iter();
        all.any(|back| back.abandons(attempt, step))
    }

    /// Takes out what these roll-backs, all that there were, abandoned, and takes no more of it in.
    pub(super) fn abandon(&mut self, roll_backs: Vec<RollBack>) {
        if roll_backs == self.roll_backs {
            return;
        }
        self.roll_backs = roll_backs;
        let known = std::mem::take(&mut self.records).into_iter();
        let all = known.zip(std::mem::take(&mut self.lines));
        let (kept, gone): (Vec<_>, Vec<_>) =
            all.partition(|(record, line)| !self.is_abandoned(record.step, line.place.attempt));
        (self.records, self.lines) = kept.into_iter().unzip();
        self.change(gone.first().map_or(u64::MAX, |(record, _)| record.step));
        // Until the branch has recorded a step, the run is where it went back to.
        if let Some((attempt, step)) = self.newest
            && let Some(back) = self.roll_backs.iter().rfind(|b| b.abandons(attempt, step))
        {
            self.newest = Some((attempt, back.to));
        }
    }

    /// The record that the newest attempt wrote last, if it is here.
    pub(super) fn latest(&self) -> Option<&Record> {
        let (_, step) = self.newest?;
        self.position(step).ok().map(|at| &self.records[at])
    }

    /// Empties everything, to be filled again.
    pub(super) fn forget(&mut self) {
        *self = Self {
            revision: self.revision + 1,
            changed: Some(0),
            ..Self::default()
        };
    }

    fn position(&self, step: u64) -> Result<usize, usize> {
        self.records
            .binary_search_by_key(&step, |record| record.step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::Place;
    use super::*;

    fn record(step: u64, loss: f64) -> Record {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        record
    }

    fn of(attempt: u32) -> Line {
        Line::bare(Place { attempt, offset: 0 })
    }

    #[test]
    fn the_last_attempt_wins_in_whatever_order_records_arrive() {
        let mut merged = Merged::default();
        for step in 1..=6 {
            merged.insert(record(step, 1.0), of(1));
        }
        assert_eq!(merged.revision, 0);
        merged.insert(record(4, 2.0), of(2));
        merged.insert(record(5, 1.0), of(1));
        merged.insert(record(4, 1.0), of(1));
        merged.settle();
        let loss: Vec<_> = merged.records.iter().map(|r| r.scalars["loss"]).collect();
        assert_eq!(loss, [1.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!(
            merged.latest().unwrap().step,
            4,
            "the run is at step 4, not 6"
        );
        assert!(merged.revision > 0);
    }

    /// Any order and any attempts give what inserting one by one gives.
    #[test]
    fn a_file_in_descending_order_is_sorted_at_once() {
        let mut merged = Merged::default();
        // Every step twice, and a later attempt for every third.
        for step in (1..=30_000).rev() {
            merged.insert(record(step, 1.0), of(1));
            merged.insert(record(step, 2.0), of(1));
            if step % 3 == 0 {
                merged.insert(record(step, 3.0), of(2));
                merged.insert(record(step, 4.0), of(1));
            }
        }
        merged.settle();
        assert_eq!(merged.records.len(), 30_000);
        for (index, record) in merged.records.iter().enumerate() {
            let expected = if record.step % 3 == 0 { 3.0 } else { 2.0 };
            assert_eq!(record.step, index as u64 + 1);
            assert_eq!(
                record.scalar("loss"),
                Some(expected),
                "step {}",
                record.step
            );
        }
        assert_eq!(
            merged.latest().unwrap().step,
            3,
            "the newest attempt's last"
        );
    }
}
