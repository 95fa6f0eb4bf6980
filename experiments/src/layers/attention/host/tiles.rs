//! How attention is cut into tiles, and their matrices.

use super::Attention;
use crate::layers::attention::{KEY, QUERY};
use crate::layers::rows::Rows;
use experiments_config::PbRelaxMax;
use kernels::{Matrix, MatrixMut, Onto, matmul_here};
use std::ops::Range;

/// Query rows of a tile, where a head is not needed as a whole.
const ROWS: usize = 128;

/// Query rows of a tile at the most: all of a sequence where a head's scores are needed all at once.
pub(crate) fn tile_rows(relax: PbRelaxMax, seq_len: usize) -> usize {
    match relax {
        PbRelaxMax::Off | PbRelaxMax::Row => ROWS.min(seq_len),
        PbRelaxMax::Head | PbRelaxMax::AbsMax => seq_len,
    }
}

/// Some query rows of one head of one sequence.
pub(super) struct Tile {
    /// First row of the sequence, counted within the piece and within all rows.
    pub(super) start: usize,
    pub(super) sequence: usize,
    /// Which of the heads.
    pub(super) head: usize,
    /// Query rows, counted within the sequence.
    pub(super) rows: Range<usize>,
}

impl Attention<'_> {
    /// Scores of a tile at the most.
    pub(super) fn tile_len(&self, rows: &Rows) -> usize {
        rows.seq_len * tile_rows(self.scale.relax, rows.seq_len)
    }

    /// All tiles of a piece, those of one head in order.
    pub(super) fn tiles(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
    ) -> impl Iterator<Item = Tile> + use<> {
        let (s, heads, first) = (rows.seq_len, self.num_heads, piece.start);
        let step = tile_rows(self.scale.relax, s);
        let sequences = (0..piece.len()).step_by(s);
        let heads = sequences.flat_map(move |start| (0..heads).map(move |head| (start, head)));
        heads.flat_map(move |(start, head)| {
            (0..s).step_by(step).map(move |row| Tile {
                start,
                sequence: first + start,
                head,
                rows: row..(row + step).min(s),
            })
        })
    }

    /// The tile's first row among the rows `[b, n, s]` of all scores.
    pub(super) fn score_row(&self, rows: &Rows, tile: &Tile) -> usize {
        // Sequences are as long as their scores have rows.
        tile.sequence * self.all_heads
            + (self.first_head + tile.head) * rows.seq_len
            + tile.rows.start
    }

    /// Where the tile's rows of a part begin, in rows of `stride` values.
    fn place(&self, tile: &Tile, stride: usize, part: usize) -> usize {
        (tile.start + tile.rows.start) * stride + part * self.width() + tile.head * self.head_dim()
    }

    /// The tile's rows of a part, `[tile, d]`.
    pub(super) fn tile<'b>(
        &self,
        tile: &Tile,
        values: &'b [f32],
        stride: usize,
        part: usize,
    ) -> Matrix<'b> {
        let values = &values[self.place(tile, stride, part)..];
        Matrix::strided(values, tile.rows.len(), self.head_dim(), stride)
    }

    pub(super) fn tile_mut<'b>(
        &self,
        tile: &Tile,
        values: &'b mut [f32],
        stride: usize,
        part: usize,
    ) -> MatrixMut<'b> {
        let values = &mut values[self.place(tile, stride, part)..];
        MatrixMut::strided(values, tile.rows.len(), self.head_dim(), stride)
    }

    /// Where the sequence's rows of a part of `[r, 3h]` begin.
    fn sequence(&self, tile: &Tile, part: usize) -> usize {
        let h = self.width();
        tile.start * 3 * h + part * h + tile.head * self.head_dim()
    }

    /// Keys or values of the sequence, `[s, d]`.
    pub(super) fn keys<'b>(
        &self,
        tile: &Tile,
        rows: &Rows,
        qkv: &'b [f32],
        part: usize,
    ) -> Matrix<'b> {
        let values = &qkv[self.sequence(tile, part)..];
        Matrix::strided(values, rows.seq_len, self.head_dim(), 3 * self.width())
    }

    pub(super) fn keys_mut<'b>(
        &self,
        tile: &Tile,
        rows: &Rows,
        dqkv: &'b mut [f32],
        part: usize,
    ) -> MatrixMut<'b> {
        let values = &mut dqkv[self.sequence(tile, part)..];
        MatrixMut::strided(values, rows.seq_len, self.head_dim(), 3 * self.width())
    }

    /// Scores of a tile, `[tile, s]`.
    pub(super) fn scores(&self, rows: &Rows, tile: &Tile, qkv: &[f32], scores: &mut [f32]) {
        let query = self.tile(tile, qkv, 3 * self.width(), QUERY);
        let key = self.keys(tile, rows, qkv, KEY).transposed();
        let scores = MatrixMut::new(scores, tile.rows.len(), rows.seq_len);
        matmul_here(scores, query, key, Onto::Nothing);
    }
}
