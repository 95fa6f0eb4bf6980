//! Records as columns: what the index holds.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::read::place::{Line, Place};
use crate::read::span::{ABSENT as NO_SPAN, Bits};
use crate::record::{Name, Names, Record};

/// The bits of a number that a record does not have. Recorded NaNs have others.
const ABSENT: u64 = 0x7ff8_0000_7f7f_7f7f;

/// The values of one scalar, a number for each record.
#[derive(Debug, Clone, Default)]
pub struct Column(pub(super) Vec<f64>);

impl Column {
    /// A column of so many records that do not have the scalar.
    pub(crate) fn absent(records: usize) -> Self {
        Self(vec![f64::from_bits(ABSENT); records])
    }

    /// The column of a scalar.
    #[must_use]
    pub fn of(records: &[Record], name: &str) -> Self {
        Self(records.iter().map(|r| coded(r.scalar(name))).collect())
    }

    /// The value of each record; none where it was not recorded.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Option<f64>> + ExactSizeIterator + '_ {
        self.0.iter().map(|value| decoded(*value))
    }

    /// The value of a record of the column.
    #[must_use]
    pub fn get(&self, record: usize) -> Option<f64> {
        self.0.get(record).and_then(|value| decoded(*value))
    }

    /// Puts another column behind this one.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The part of these records.
    pub(crate) fn part(mut self, records: Range<usize>) -> Self {
        self.0.truncate(records.end);
        self.0.drain(..records.start.min(records.end));
        self
    }
}

fn coded(value: Option<f64>) -> f64 {
    match value {
        None => f64::from_bits(ABSENT),
        Some(value) if value.is_nan() => f64::NAN,
        Some(value) => value,
    }
}

fn decoded(value: f64) -> Option<f64> {
    (value.to_bits() != ABSENT).then_some(value)
}

/// The scalars of some records in the order of their steps, with the places of their lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) steps: Vec<u64>,
    pub(crate) places: Vec<Place>,
    pub(crate) scalars: BTreeMap<Name, Column>,
    /// What the per-layer signals do in each record.
    pub(crate) spans: BTreeMap<Name, Vec<Bits>>,
}

impl Columns {
    /// Of records and their lines, whose per-layer signals are these.
    pub(crate) fn of(records: &[Record], lines: &[Line], layered: &[Name]) -> Self {
        let mut scalars: BTreeMap<Name, Column> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            for (name, value) in &record.scalars {
                let column = scalars.entry(name.clone());
                let column = column.or_insert_with(|| Column::absent(records.len()));
                column.0[at] = coded(Some(*value));
            }
        }
        let column = |at: usize| -> Vec<Bits> {
            let bits = |line: &Line| line.spans.get(at).copied().unwrap_or(NO_SPAN);
            lines.iter().map(bits).collect()
        };
        let spans = layered.iter().enumerate();
        let spans = spans.map(|(at, name)| (name.clone(), column(at)));
        Self {
            steps: records.iter().map(|record| record.step).collect(),
            places: lines.iter().map(|line| line.place).collect(),
            scalars,
            spans: spans
                .filter(|(_, of)| of.iter().any(|bits| *bits != NO_SPAN))
                .collect(),
        }
    }

    /// A scalar; of one that no record has, a column without values.
    pub(crate) fn scalar(&self, name: &str) -> Column {
        let found = self.scalars.get(name).cloned();
        found.unwrap_or_else(|| Column::absent(self.steps.len()))
    }

    /// What a per-layer signal does.
    pub(crate) fn span(&self, name: &str) -> Vec<Bits> {
        let found = self.spans.get(name).cloned();
        found.unwrap_or_else(|| vec![NO_SPAN; self.steps.len()])
    }

    /// Some of the records again, as far as these columns have their scalars.
    pub(crate) fn records(&self, own: Range<usize>, names: &Names) -> Vec<Record> {
        let scalars = self.scalars.iter();
        let scalars: Vec<(Name, &Column)> = scalars
            .map(|(name, column)| (names.known(name), column))
            .collect();
        let record = |at: usize| Record {
            step: self.steps[at],
            scalars: scalars
                .iter()
                .filter_map(|(name, column)| Some((name.clone(), column.get(at)?)))
                .collect(),
            layers: BTreeMap::new(),
        };
        own.map(record).collect()
    }
}
