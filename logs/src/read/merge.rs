//! Several attempts as one run.

use crate::record::Record;

/// Records sorted by step, each with the attempt it came from.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) records: Vec<Record>,
    /// Attempt of each record.
    owners: Vec<u32>,
    /// Attempt and step of the record that the newest attempt wrote last.
    newest: Option<(u32, u64)>,
    /// Rises when a record is replaced or inserted before others.
    pub(super) revision: u64,
}

impl Merged {
    /// Adds a record; one of the same step from the same or an earlier attempt is replaced.
    pub(super) fn insert(&mut self, record: Record, attempt: u32) {
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
            self.owners.push(attempt);
            return;
        }
        match self.position(record.step) {
            Ok(at) if self.owners[at] > attempt => {}
            Ok(at) => {
                self.revision += 1;
                self.records[at] = record;
                self.owners[at] = attempt;
            }
            Err(at) => {
                self.revision += 1;
                self.records.insert(at, record);
                self.owners.insert(at, attempt);
            }
        }
    }

    pub(super) fn latest(&self) -> Option<&Record> {
        let (_, step) = self.newest?;
        self.position(step).ok().map(|at| &self.records[at])
    }

    /// Empties everything, to be filled again.
    pub(super) fn forget(&mut self) {
        *self = Self {
            revision: self.revision + 1,
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
    use super::*;

    fn record(step: u64, loss: f64) -> Record {
        let mut record = Record::new(step);
        record.set("loss", loss);
        record
    }

    #[test]
    fn the_last_attempt_wins_in_whatever_order_records_arrive() {
        let mut merged = Merged::default();
        for step in 1..=6 {
            merged.insert(record(step, 1.0), 1);
        }
        assert_eq!(merged.revision, 0);
        merged.insert(record(4, 2.0), 2);
        merged.insert(record(5, 1.0), 1);
        merged.insert(record(4, 1.0), 1);
        let loss: Vec<_> = merged.records.iter().map(|r| r.scalars["loss"]).collect();
        assert_eq!(loss, [1.0, 1.0, 1.0, 2.0, 1.0, 1.0]);
        assert_eq!(
            merged.latest().unwrap().step,
            4,
            "the run is at step 4, not 6"
        );
        assert!(merged.revision > 0);
    }
}
