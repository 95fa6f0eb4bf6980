//! Rows of a micro-batch of which every rank that shares matrices has a part: sequence parallelism (arXiv 2205.05198 §4.2.2).
//!
//! Between the branches, in norms, dropout and residuals, a rank computes its own rows alone. What a branch reads is gathered
//! from all ranks, and what it leaves is summed for the ranks of its rows: together as many bytes as one sum for all.

use super::{Ranks, must};
use experiments_collective::even_parts;
use kernels::Buffer;
use std::ops::Range;

/// Which rows are whose.
pub(crate) struct RowShares<'a> {
    ranks: &'a Ranks,
    parts: Vec<Range<usize>>,
}

impl Ranks {
    /// Of so many rows; none where every rank computes all of them.
    pub(crate) fn row_shares(&self, rows: usize) -> Option<RowShares<'_>> {
        self.degrees.sequence.then(|| RowShares {
            ranks: self,
            parts: even_parts(rows, self.tensor.size()),
        })
    }
}

impl RowShares<'_> {
    /// The rows of this rank.
    pub(crate) fn own(&self) -> Range<usize> {
        self.parts[self.ranks.tensor.rank()].clone()
    }

    /// The shares of some of the rows, which are given in ascending order.
    pub(crate) fn among(&self, rows: &[usize]) -> Self {
        let before = |end: usize| rows.partition_point(|row| *row < end);
        let parts = self.parts.iter();
        Self {
            parts: parts
                .map(|part| before(part.start)..before(part.end))
                .collect(),
            ..*self
        }
    }

    /// All rows, of `width` values each, from the own rows.
    pub(crate) fn gather(&self, own: &[f32], width: usize) -> Buffer {
        let (mut all, parts) = self.laid_out(own, width);
        must(self.ranks.tensor.all_gather(&mut all, &parts));
        all
    }

    /// The same for the record alone.
    pub(crate) fn gather_signals(&self, own: &[f32], width: usize) -> Buffer {
        let (mut all, parts) = self.laid_out(own, width);
        must(self.ranks.shown.all_gather(&mut all, &parts));
        all
    }

    /// The own rows of the sums over ranks.
    pub(crate) fn sum(&self, values: &[f32], width: usize) -> Buffer {
        let parts = self.scalars(width);
        Buffer::from(must(self.ranks.tensor.reduce_scatter(values, &parts)))
    }

    fn scalars(&self, width: usize) -> Vec<Range<usize>> {
        let parts = self.parts.iter();
        parts
            .map(|part| part.start * width..part.end * width)
            .collect()
    }

    fn laid_out(&self, own: &[f32], width: usize) -> (Buffer, Vec<Range<usize>>) {
        let parts = self.scalars(width);
        let mut all = Buffer::new(parts.last().map_or(0, |part| part.end));
        all[parts[self.ranks.tensor.rank()].clone()].copy_from_slice(own);
        (all, parts)
    }
}
