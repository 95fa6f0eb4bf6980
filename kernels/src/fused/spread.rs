//! How work is cut into pieces.

use super::attention::{Alibi, Rotation};
use std::ops::Range;

/// Rows that one piece has at least, where there are as many: matrix products want some height, and
/// the cache wants no more.
const ROWS: usize = 128;

/// Groups of pieces or blocks at most: threads that a backward pass can keep busy.
pub(super) const GROUPS: usize = 4;

/// What attention knows of positions: nothing where they are part of what enters the first sub-layer.
#[derive(Debug, Default)]
pub struct Positions {
    /// Query and key turn by them.
    pub rotation: Option<Rotation>,
    /// Scores fall with the distance.
    pub alibi: Option<Alibi>,
}

/// What the sub-layers of a pass share about the batch.
#[derive(Debug)]
pub struct Rows {
    /// Slots of a sequence.
    pub(super) seq_len: usize,
    /// For every row the slots of its own sequence that it attends to.
    pub(super) spans: Vec<Range<usize>>,
    positions: Positions,
    /// Rows of each piece, whole sequences.
    pub(super) pieces: Vec<Range<usize>>,
}

impl Rows {
    /// Rows of sequences of `seq_len` slots. A row attends to the slots `spans[row]` of its own
    /// sequence, which must not be none.
    ///
    /// # Panics
    /// If the rows are not whole sequences, or the positions are not theirs.
    #[must_use]
    pub fn new(seq_len: usize, spans: Vec<Range<usize>>, positions: Positions) -> Self {
        let rows = spans.len();
        assert!(
            rows > 0 && rows.is_multiple_of(seq_len),
            "{rows} rows of sequences of {seq_len}"
        );
        assert!(
            spans
                .iter()
                .all(|span| span.start < span.end && span.end <= seq_len)
        );
        if let Some(rotation) = &positions.rotation {
            assert_eq!(rotation.rows(), rows);
        }
        if let Some(alibi) = &positions.alibi {
            assert_eq!(alibi.positions.len(), rows);
        }
        let step = ROWS.div_ceil(seq_len) * seq_len;
        Self {
            seq_len,
            spans,
            positions,
            pieces: pieces(rows, step),
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn rotation(&self) -> Option<&Rotation> {
        self.positions.rotation.as_ref()
    }

    pub(super) fn alibi(&self) -> Option<&Alibi> {
        self.positions.alibi.as_ref()
    }

    /// The pieces in a few groups that depend on shapes only. What is summed over rows is summed within
    /// a group first, so every group needs memory for the sums.
    pub(super) fn groups(&self) -> Vec<Range<usize>> {
        pieces(self.pieces.len(), self.pieces.len().div_ceil(GROUPS))
    }

    /// Rows of a group of pieces.
    pub(super) fn span(&self, group: &Range<usize>) -> Range<usize> {
        self.pieces[group.start].start..self.pieces[group.end - 1].end
    }

    /// Whether everything is one piece, so that matrix products have to share the threads instead.
    pub(super) fn alone(&self) -> bool {
        self.pieces.len() == 1
    }
}

/// `0..len` in pieces of `step`.
pub(super) fn pieces(len: usize, step: usize) -> Vec<Range<usize>> {
    let starts = (0..len).step_by(step);
    starts.map(|start| start..(start + step).min(len)).collect()
}

/// Cuts a buffer of rows of `width` values into its pieces.
pub(super) fn cut<'a>(
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
pub(super) fn part<'a>(rows: &'a [f32], width: usize, piece: &Range<usize>) -> &'a [f32] {
    &rows[piece.start * width..piece.end * width]
}
