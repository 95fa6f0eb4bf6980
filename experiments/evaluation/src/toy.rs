//! A model for tests: its logits depend on every token that a row attends to, and on where it stands.

use crate::model::{Model, Row};
use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) struct Toy {
    pub(crate) vocabulary: usize,
    pub(crate) slots: usize,
    /// Tokens, positions and second ids of every sequence.
    read: Vec<Vec<[u32; 3]>>,
    /// Rows that were read since the beginning.
    pub(crate) rows: usize,
}

impl Toy {
    pub(crate) fn new(vocabulary: usize, slots: usize) -> Self {
        Self {
            vocabulary,
            slots,
            read: Vec::new(),
            rows: 0,
        }
    }
}

impl Model for Toy {
    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn slots(&self) -> usize {
        self.slots
    }

    fn clear(&mut self) {
        self.read.clear();
    }

    fn read(&mut self, rows: &[Row]) -> Vec<f32> {
        self.rows += rows.len();
        for row in rows {
            self.read
                .resize(self.read.len().max(row.sequence + 1), Vec::new());
            self.read[row.sequence].push([row.token, row.position, row.block]);
        }
        let asking = rows.iter().filter(|row| row.asks);
        let logits = asking.flat_map(|row| {
            let sequence = &self.read[row.sequence];
            let seen: Vec<_> = row
                .sees
                .iter()
                .flat_map(|range| &sequence[range.clone()])
                .collect();
            (0..self.vocabulary).map(move |token| {
                let mut hasher = DefaultHasher::new();
                (&seen, row.position, token).hash(&mut hasher);
                (hasher.finish() % 4000) as f32 / 1000.0
            })
        });
        logits.collect()
    }
}
