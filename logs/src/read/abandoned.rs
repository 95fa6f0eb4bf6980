//! What roll-backs left behind.

use std::path::Path;

use super::events::events;
use super::merge::Merged;
use super::place::{Line, Place};
use super::tail::Tail;
use crate::error::LogError;
use crate::record::{Layers, Names, Record};
use crate::run::{RollBack, attempts, metrics_file};

/// Steps that a run took and went back from.
#[derive(Debug, Clone, PartialEq)]
pub struct Abandoned {
    /// How it went back.
    pub by: RollBack,
    /// The records behind the state to which it went back, by step.
    pub records: Vec<Record>,
}

/// The abandoned steps of the run in `dir`, without per-layer signals, one entry for each roll-back in their order.
pub fn abandoned(dir: &Path) -> Result<Vec<Abandoned>, LogError> {
    let events = events(dir)?;
    let all: Vec<RollBack> = events.iter().filter_map(RollBack::of).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut records = Vec::new();
    let mut names = Names::default();
    for attempt in attempts(dir)? {
        Tail::new(dir.join(metrics_file(attempt))).poll_some(usize::MAX, |line, offset| {
            let record = Record::parse_bytes(line, Layers::None, &mut names)?;
            records.push((record, Place { attempt, offset }));
            Ok(())
        })?;
    }
    let behind = |(place, by): (usize, &RollBack)| {
        let mut merged = Merged::default();
        merged.abandon(all[..place].to_vec());
        for (record, place) in &records {
            if by.abandons(place.attempt, record.step) {
                merged.insert(record.clone(), Line::bare(*place));
            }
        }
        merged.settle();
        Abandoned {
            by: *by,
            records: merged.records,
        }
    };
    Ok(all.iter().enumerate().map(behind).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventKind, RunReader, RunWriter};

    fn step(writer: &mut RunWriter, step: u64, loss: f64) {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        writer.step(&record).unwrap();
    }

    fn back(writer: &mut RunWriter, branch: u64, from: u64, to: u64) {
        writer.next_attempt().unwrap();
        let event = Event::now(to, EventKind::Intervention, "rolled back");
        writer
            .event(&RollBack::told_by(event, branch, from))
            .unwrap();
    }

    fn losses(records: &[Record]) -> Vec<(u64, f64)> {
        let loss = |record: &Record| (record.step, record.scalars["loss"]);
        records.iter().map(loss).collect()
    }

    /// Two roll-backs, the second one to before the first: the run is what leads to its last step, and nothing is lost. A
    /// reader that has followed all of it sees what one sees that comes later.
    #[test]
    fn a_run_is_its_last_branch_and_what_it_left_stays_readable() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::open(dir.path()).unwrap();
        for number in 1..=5 {
            step(&mut writer, number, 1.0);
        }
        let mut follower = RunReader::open(dir.path()).unwrap();
        back(&mut writer, 1, 5, 3);
        follower.poll().unwrap();
        assert_eq!(losses(follower.records()), [(1, 1.0), (2, 1.0), (3, 1.0)]);
        assert_eq!(follower.latest().unwrap().step, 3, "where the run is now");
        let before = follower.revision();
        step(&mut writer, 4, 2.0);
        back(&mut writer, 2, 4, 1);
        step(&mut writer, 2, 3.0);
        follower.poll().unwrap();
        assert!(follower.revision() > before);
        assert_eq!(losses(follower.records()), [(1, 1.0), (2, 3.0)]);
        let anew = RunReader::open(dir.path()).unwrap();
        assert_eq!(anew.records(), follower.records());
        assert_eq!(anew.latest(), follower.latest());
        assert_eq!(anew.warnings(), [""; 0], "no record is missing");
        let left = abandoned(dir.path()).unwrap();
        let left: Vec<_> = left
            .iter()
            .map(|a| (a.by.branch, a.by.attempt, losses(&a.records)))
            .collect();
        let expected = [
            (1, 2, vec![(4, 1.0), (5, 1.0)]),
            (2, 3, vec![(2, 1.0), (3, 1.0), (4, 2.0)]),
        ];
        assert_eq!(left, expected);
    }
}
