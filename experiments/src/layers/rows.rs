//! How the rows of a batch are cut into pieces.
//!
//! Sequences do not meet inside a sub-layer, so a few of them at a time go through all of it while their activations
//! lie in the cache. Pieces and groups depend on shapes only, and sums over them run in their order: the number of
//! threads changes no bit.

use std::ops::Range;

/// Rows that one piece has at least, where there are as many: matrix products want some height, and
/// the cache wants no more.
const ROWS: usize = 128;

/// Groups of pieces or blocks at most: threads that a backward pass can keep busy.
pub(crate) const GROUPS: usize = 4;

/// The rows of whole sequences.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Number of rows.
    pub(crate) count: usize,
    /// Slots of a sequence.
    pub(crate) seq_len: usize,
    /// Rows of each piece, whole sequences.
    pub(crate) pieces: Vec<Range<usize>>,
}

impl Rows {
    /// # Panics
    /// If there are none, or not whole sequences.
    pub(crate) fn new(count: usize, seq_len: usize) -> Self {
        assert!(
            count > 0 && count.is_multiple_of(seq_len),
            "{count} rows of sequences of {seq_len}"
        );
        Self {
            count,
            seq_len,
            pieces: pieces(count, ROWS.div_ceil(seq_len) * seq_len),
        }
    }

    /// The pieces in a few groups that depend on shapes only. What is summed over rows is summed within
    /// a group first, so every group needs memory for the sums.
    pub(crate) fn groups(&self) -> Vec<Range<usize>> {
        pieces(self.pieces.len(), self.pieces.len().div_ceil(GROUPS))
    }

    /// Rows of a group of pieces.
    pub(crate) fn span(&self, group: &Range<usize>) -> Range<usize> {
        self.pieces[group.start].start..self.pieces[group.end - 1].end
    }

    /// Whether everything is one piece, so that matrix products have to share the threads instead.
    pub(crate) fn alone(&self) -> bool {
        self.pieces.len() == 1
    }
}

/// `0..len` in pieces of `step`.
pub(crate) fn pieces(len: usize, step: usize) -> Vec<Range<usize>> {
    let starts = (0..len).step_by(step);
    starts.map(|start| start..(start + step).min(len)).collect()
}

/// Cuts a buffer of rows of `width` values into its pieces.
pub(crate) fn cut<'a>(
    mut rows: &'a mut [f32],
    width: usize,
    pieces: &[Range<usize>],
) -> Vec<&'a mut [f32]> {
    let mut cut = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let (head, tail) = rows.split_at_mut(piece.len() * width);
        cut.push(head);
        rows = tail;
    }
    cut
}

/// The rows of a piece.
pub(crate) fn part<'a>(rows: &'a [f32], width: usize, piece: &Range<usize>) -> &'a [f32] {
    &rows[piece.start * width..piece.end * width]
}
