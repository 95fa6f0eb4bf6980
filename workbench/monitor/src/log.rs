//! What a run recorded, as far as it is asked for: of a long run little of it is in memory.

use std::ops::Range;

use logs::read::Column;
use logs::{Record, RunReader};

/// The records of a run without per-layer signals, sorted by step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Log<'a> {
    /// Of a run on disk.
    Files(&'a RunReader),
    /// Of a test, and of a run that has not begun.
    Memory(&'a [Record]),
}

impl Log<'_> {
    /// Number of records.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Files(reader) => reader.len(),
            Self::Memory(records) => records.len(),
        }
    }

    /// A scalar of some of the records.
    pub(crate) fn column(self, name: &str, records: Range<usize>) -> Column {
        match self {
            Self::Files(reader) => reader.column(name, records),
            Self::Memory(all) => Column::of(&all[records], name),
        }
    }

    /// Steps of some of the records.
    pub(crate) fn steps(self, records: Range<usize>) -> Vec<u64> {
        match self {
            Self::Files(reader) => reader.steps(records),
            Self::Memory(all) => all[records].iter().map(|record| record.step).collect(),
        }
    }

    /// Shows some of the records.
    pub(crate) fn visit(self, records: Range<usize>, visit: impl FnMut(&Record)) {
        match self {
            Self::Files(reader) => reader.visit(records, visit),
            Self::Memory(all) => all[records].iter().for_each(visit),
        }
    }

    /// Records of some steps with a per-layer signal, which are read from their lines; of a long run some of every few, spikes among them.
    pub(crate) fn layers(self, signal: &str, steps: Range<u64>) -> Vec<Record> {
        match self {
            Self::Files(reader) => reader.layers_within(signal, steps, MOST_WITH_LAYERS),
            Self::Memory(all) => {
                let recorded = |record: &&Record| {
                    steps.contains(&record.step) && record.layers.contains_key(signal)
                };
                all.iter().filter(recorded).cloned().collect()
            }
        }
    }

    /// The records of some steps with their per-layer signals.
    pub(crate) fn with_layers(self, steps: Range<u64>) -> Vec<Record> {
        match self {
            Self::Files(reader) => reader.with_layers(steps),
            Self::Memory(all) => {
                let asked = |record: &&Record| steps.contains(&record.step);
                all.iter().filter(asked).cloned().collect()
            }
        }
    }

    /// The records of some steps that have a per-layer signal, with that one only.
    pub(crate) fn with_layer(self, signal: &str, steps: Range<u64>) -> Vec<Record> {
        match self {
            Self::Files(reader) => reader.with_layer(signal, steps),
            Self::Memory(_) => self.layers(signal, steps),
        }
    }

    /// The names of the per-layer signals of the last record that has any.
    pub(crate) fn layer_names(self) -> Vec<String> {
        let last = match self {
            Self::Files(reader) => {
                let last = reader.last_step();
                let steps = |behind: u64| last.saturating_sub(behind)..last.saturating_add(1);
                let own = reader.with_layers(steps(0));
                if own.iter().any(|record| !record.layers.is_empty()) {
                    own
                } else {
                    reader.with_layers(steps(LAST))
                }
            }
            Self::Memory(all) => all.last().cloned().into_iter().collect(),
        };
        let last = last.iter().rfind(|record| !record.layers.is_empty());
        let names = last.map(|record| record.layers.keys().map(ToString::to_string));
        names.map_or_else(Vec::new, Iterator::collect)
    }

    /// The names of scalars of some of the records, at least.
    pub(crate) fn names(self, records: Range<usize>) -> Vec<String> {
        match self {
            Self::Files(reader) => reader.scalar_names_of(records).into_iter().collect(),
            // The first and the last record name every signal.
            Self::Memory(all) => {
                let ends = all.first().into_iter().chain(all.last());
                let names = ends.flat_map(|record| record.scalars.keys());
                names.map(ToString::to_string).collect()
            }
        }
    }
}

/// Most records whose layers are read: they are most of the bytes.
pub(crate) const MOST_WITH_LAYERS: usize = 1 << 14;
/// Steps before the last that are looked at for layers, which are recorded now and then only.
const LAST: u64 = 100;

/// Records that are looked at together, so that a long run needs no more memory than a short one.
const CHUNK: usize = 1 << 16;

/// Some records in pieces.
pub(crate) fn chunks(records: Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let (first, last) = (records.start / CHUNK, records.end.div_ceil(CHUNK));
    (first..last).map(move |chunk| {
        (chunk * CHUNK).max(records.start)..((chunk + 1) * CHUNK).min(records.end)
    })
}
