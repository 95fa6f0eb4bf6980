//! The records that stand for the others where not all lines of a long run can be read.

use std::cmp::Ordering;
use std::ops::Range;

use super::RunReader;
use super::index::PART;
use super::span::Span;
use crate::alarm::News;
use crate::signal::{
    ADAM_RMS, GRAD_MAX, GRAD_NORM, LOSS, MAX_ATTENTION_LOGIT, OVERFLOW_COUNT, Scalar,
    UNDERFLOW_COUNT, UPDATE_NORM,
};

/// Scalars that rise when a layer does: its part of a norm or of a count, the greatest of all layers, or what follows from it.
const TELLING: [Scalar; 8] = [
    LOSS,
    GRAD_NORM,
    GRAD_MAX,
    UPDATE_NORM,
    ADAM_RMS,
    MAX_ATTENTION_LOGIT,
    OVERFLOW_COUNT,
    UNDERFLOW_COUNT,
];

/// What of a per-layer signal is looked at, greater where it stands out more.
const OF_LAYERS: [fn(Span) -> f64; 4] = [
    |span| f64::from(span.high),
    |span| -f64::from(span.low),
    |span| f64::from(span.rough),
    |span| -f64::from(span.rough),
];

impl RunReader {
    /// Numbers of about `most` of some records, ascending; all where there are no more. Of every few records that have a per-layer
    /// signal the first one, those in which it is greatest, least, roughest or smoothest, the one with the greatest value of each scalar that
    /// rises when a layer does (what is not finite is the greatest), and, on top of `most`, those that a detector spoke of.
    pub(super) fn telling(&self, signal: &str, among: Range<usize>, most: usize) -> Vec<usize> {
        if among.len() <= most {
            return among.collect();
        }
        let blocks = most / (TELLING.len() + OF_LAYERS.len() + 1);
        let every = among.len().div_ceil(blocks.max(1));
        let alarms = self.alarm_steps();
        // Whole blocks, so that a block is looked at once.
        let chunk = (PART / every).max(1) * every;
        let mut telling = Vec::new();
        for from in among.clone().step_by(chunk) {
            let records = from..among.end.min(from + chunk);
            let spans = self.spans(signal, records.clone());
            let spans: Vec<Option<Span>> = spans.into_iter().map(Span::from_bits).collect();
            let layers =
                OF_LAYERS.map(|of| spans.iter().map(|span| span.map(of)).collect::<Vec<_>>());
            let scalars = TELLING.map(|scalar| {
                let column = self.column(scalar.0.name, records.clone());
                column.iter().collect::<Vec<_>>()
            });
            let columns: Vec<Vec<Option<f64>>> = layers.into_iter().chain(scalars).collect();
            for at in (0..records.len()).step_by(every) {
                // Layers may be recorded at one step of every few.
                let block = at..records.len().min(at + every);
                let able: Vec<usize> = block.filter(|at| spans[*at].is_some()).collect();
                let greatest = columns.iter().filter_map(|column| greatest(&able, column));
                let chosen = able.first().copied().into_iter().chain(greatest);
                telling.extend(chosen.map(|at| records.start + at));
            }
            if !alarms.is_empty() {
                telling.extend(self.at_steps(records, &alarms));
            }
        }
        telling.sort_unstable();
        telling.dedup();
        telling
    }

    /// Steps at which alarms that the run told of began and were raised.
    fn alarm_steps(&self) -> Vec<u64> {
        let news = self.events().iter().filter_map(News::of);
        news.flat_map(|news| [news.since, news.alarm.step])
            .collect()
    }

    /// Numbers of those of some records that are of these steps.
    fn at_steps(&self, records: Range<usize>, steps: &[u64]) -> Vec<usize> {
        let own = self.steps(records.clone());
        let places = steps.iter().filter_map(|step| own.binary_search(step).ok());
        places.map(|place| records.start + place).collect()
    }
}

/// Of some places in a column that of the greatest value; of one that is not finite rather than of any other.
fn greatest(places: &[usize], column: &[Option<f64>]) -> Option<usize> {
    let order = |a: f64, b: f64| match (a.is_finite(), b.is_finite()) {
        (true, true) => a.total_cmp(&b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => Ordering::Equal,
    };
    let known = places.iter().filter_map(|at| Some((*at, column[*at]?)));
    // Of equal ones the first.
    let greatest = known.reduce(|best, next| {
        if order(next.1, best.1).is_gt() {
            next
        } else {
            best
        }
    });
    greatest.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Alarm, AlarmKind};
    use crate::{Record, RunWriter};
    use std::path::Path;

    fn record(step: u64) -> Record {
        let mut record = Record::new(step);
        record.set(LOSS, 3.0);
        record.set(GRAD_NORM, 1.0);
        record.set_layers_named("layer_grad_norm", vec![1.0; 4]);
        record
    }

    /// A run whose layer 2 jumps at these steps: by the gradient norm, by a loss that is not a number, and only as its detector said.
    fn spiky(dir: &Path, steps: u64) -> [u64; 3] {
        let at = [steps / 3 + 1, steps / 2 + 2, steps - 5];
        let mut writer = RunWriter::open(dir).unwrap();
        for step in 1..=steps {
            let mut record = record(step);
            if at.contains(&step) {
                record.set_layers_named("layer_grad_norm", vec![1.0, 1.0, 50.0, 1.0]);
            }
            if step == at[0] {
                record.set(GRAD_NORM, 50.0);
            }
            if step == at[1] {
                record.set(LOSS, f64::NAN);
            }
            writer.step(&record).unwrap();
        }
        let alarm = Alarm {
            step: at[2],
            kind: AlarmKind::Layer,
            signal: "layer_grad_norm[2]".into(),
            rule: "layer".into(),
            value: 50.0,
            before: Some(1.0),
            score: 9.0,
            message: "layer 2 left its past".into(),
        };
        let news = News {
            since: at[2],
            rules: vec!["layer".into()],
            alarm,
            others: Vec::new(),
        };
        writer.event(&news.event()).unwrap();
        at
    }

    #[test]
    fn of_a_long_run_the_lines_of_spikes_are_among_those_that_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let spikes = spiky(dir.path(), 5000);
        for reader in [
            RunReader::open(dir.path()),
            RunReader::open_scalars(dir.path()),
        ] {
            let reader = reader.unwrap();
            let read = reader.layers("layer_grad_norm", 200);
            assert!((18..=203).contains(&read.len()), "{}", read.len());
            assert!(read.windows(2).all(|pair| pair[0].step < pair[1].step));
            let high = |record: &&Record| record.layers["layer_grad_norm"][2] == 50.0;
            let high: Vec<u64> = read.iter().filter(high).map(|record| record.step).collect();
            assert_eq!(high, spikes);
            assert_eq!(reader.layers("layer_grad_norm", 5000).len(), 5000);
        }
    }

    /// No scalar moves and no detector speaks: one layer alone, in one record of a hundred thousand, above, below and among the
    /// others, and in layers that are recorded at every third step only. By the index, as its trainer leaves it, and without one.
    #[test]
    fn a_layer_that_jumps_alone_is_among_what_is_read_of_a_long_run() {
        let steps = 100_000;
        let (above, below, among, rare) = (33_333, 50_001, 77_777, 91_002);
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::open(dir.path()).unwrap();
        let mut indexer = crate::read::Indexer::new(dir.path());
        for step in 1..=steps {
            // All layers breathe together, by more than any of the jumps among them.
            let breath = 1.0 + 0.5 * (step as f64 * 0.37).sin();
            let mut layers = [1.0, 2.0, 4.0, 8.0].map(|value| value * breath);
            match step {
                _ if step == above => layers[3] = 20.0,
                _ if step == below => layers[0] = 0.2,
                _ if step == among => layers[1] = 3.5 * breath,
                _ => {}
            }
            let mut record = Record::new(step);
            record.set(LOSS, 3.0);
            record.set_layers_named("layer_grad_norm", layers.to_vec());
            if step % 3 == 0 {
                let moved = if step == rare { 9.0 } else { 1.0 };
                record.set_layers_named("layer_update_norm", vec![1.0, moved, 10.0]);
            }
            writer.step(&record).unwrap();
            indexer.recorded();
        }
        drop(writer);
        indexer.end();
        let indexed = RunReader::open_scalars(dir.path()).unwrap();
        assert!(indexed.index.len() as u64 > steps / 2);
        for reader in [indexed, RunReader::open(dir.path()).unwrap()] {
            let has = |signal: &str, step: u64| {
                let read = reader.layers(signal, 1 << 14);
                assert!(read.len() <= 1 << 14);
                read.iter().any(|record| record.step == step)
            };
            for step in [above, below, among] {
                assert!(has("layer_grad_norm", step), "step {step}");
            }
            assert!(has("layer_update_norm", rare));
            assert!(reader.layers("layer_nothing", 1 << 14).is_empty());
        }
    }

    /// Where layers are recorded now and then, what is read has them.
    #[test]
    fn steps_without_layers_are_not_read_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = RunWriter::open(dir.path()).unwrap();
        for step in 1..=3000 {
            let mut record = record(step);
            if step % 7 == 0 {
                record.set(MAX_ATTENTION_LOGIT, 2.0);
            } else {
                record.layers.clear();
            }
            writer.step(&record).unwrap();
        }
        let reader = RunReader::open_scalars(dir.path()).unwrap();
        let read = reader.layers("layer_grad_norm", 900);
        assert!(read.len() >= 60, "one of every block: {}", read.len());
    }

    #[test]
    fn what_is_not_finite_is_the_greatest_and_of_equals_it_is_the_first() {
        let all = [0, 1, 2];
        assert_eq!(greatest(&all, &[1.0, 3.0, 3.0].map(Some)), Some(1));
        let lost = [1.0, f64::NEG_INFINITY, f64::NAN].map(Some);
        assert_eq!(greatest(&all, &lost), Some(1));
        assert_eq!(greatest(&all, &[None, Some(-1.0), None]), Some(1));
        assert_eq!(greatest(&[0, 2], &[Some(1.0), Some(9.0), None]), Some(0));
        assert_eq!(greatest(&[0], &[None]), None);
    }
}
