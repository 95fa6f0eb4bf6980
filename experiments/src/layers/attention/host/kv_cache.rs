//! Keys and values of slots that were read, so that only new rows are computed.

use experiments_evaluation::Row;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of several sequences, layer by layer.
pub(crate) struct KvCache {
    layers: Vec<Mutex<Vec<Kept>>>,
    /// Position id of every slot of each sequence.
    positions: Vec<Vec<f32>>,
    /// The rows that are being read.
    groups: Vec<Group>,
}

/// Of one sequence in one layer, as they enter scores and context.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// `[slots, h]`
    pub(super) keys: Vec<f32>,
    /// `[slots, h]`
    pub(super) values: Vec<f32>,
}

/// Rows of a batch that belong to one sequence.
pub(super) struct Group {
    pub(super) sequence: usize,
    pub(super) rows: Range<usize>,
    /// Slots that each row attends to.
    pub(super) sees: Vec<Vec<Range<usize>>>,
}

impl KvCache {
    /// Of no sequence yet.
    pub(crate) fn new(layers: usize) -> Self {
        Self {
            layers: (0..layers).map(|_| Mutex::default()).collect(),
            positions: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Makes room for rows that are now read through every layer.
    ///
    /// # Panics
    /// If rows of one sequence are not next to one another, or a row attends to what is not there.
    pub(crate) fn begin(&mut self, rows: &[Row]) {
        self.groups.clear();
        for own in rows.chunk_by(|a, b| a.sequence == b.sequence) {
            let sequence = own[0].sequence;
            assert!(self.groups.iter().all(|group| group.sequence != sequence));
            let sequences = self.positions.len().max(sequence + 1);
            self.positions.resize(sequences, Vec::new());
            let positions = &mut self.positions[sequence];
            positions.extend(own.iter().map(|row| row.position as f32));
            let slots = positions.len();
            let is_inside = |row: &Row| row.sees.last().is_some_and(|last| last.end <= slots);
            assert!(own.iter().all(is_inside));
            let start = self.groups.last().map_or(0, |group| group.rows.end);
            self.groups.push(Group {
                sequence,
                rows: start..start + own.len(),
                sees: own.iter().map(|row| row.sees.clone()).collect(),
            });
        }
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Position id of every slot of a sequence.
    pub(super) fn positions(&self, sequence: usize) -> &[f32] {
        &self.positions[sequence]
    }

    /// All sequences of a layer, with the keys and values of the rows that are being read.
    ///
    /// # Shapes
    /// - qkv: `[r, 3h]`
    pub(super) fn append(&self, layer: usize, qkv: &[f32], h: usize) -> MutexGuard<'_, Vec<Kept>> {
        let kept = self.layers[layer].lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        kept.resize(self.positions.len(), Kept::default());
        for group in &self.groups {
            let Kept { keys, values } = &mut kept[group.sequence];
            let own = group.rows.start * 3 * h..group.rows.end * 3 * h;
            for row in qkv[own].chunks_exact(3 * h) {
                keys.extend_from_slice(&row[h..2 * h]);
                values.extend_from_slice(&row[2 * h..]);
            }
        }
        kept
    }
}
