//! Multi-head attention with a mask of one span per row, RoPE and `ALiBi`. Scores are never kept: a
//! tile of query rows has them in the cache, forward and again backward.

use super::linear::Linear;
use super::rows::{add_distance, larger_or_nan, maximum, scale, softmax, softmax_backward, turn};
use super::spread::Rows;
use crate::matmul::{Matrix, MatrixMut, Onto, Prepared, matmul_here};
use crate::range::{Pass, Store, round_again, store};
use crate::{Buffer, Rounding};
use std::ops::Range;

/// Value of forbidden scores (`LargeScale` `fused_softmax.py`; not -inf).
const FORBIDDEN: f32 = -10_000.0;

/// A row's largest score above which forbidden ones get the probability 0 in FP32.
const CLEAR: f32 = FORBIDDEN + 200.0;

/// Query rows of a tile.
const TILE: usize = 128;

/// `softmax(q kᵀ / √d - penalties) v`, heads side by side, between two linear maps.
#[derive(Debug)]
pub struct Attention<'a> {
    /// `[3h, h]`: query, key and value, each with its heads side by side.
    pub qkv: Linear<'a>,
    /// `[h, h]`
    pub out: Linear<'a>,
    /// Number of heads.
    pub num_heads: usize,
    /// What stored scores lack: the 1-based layer number with query-key layer scaling, else 1. The
    /// query is divided by `√d` times it.
    pub missing: f32,
    /// Where values are rounded.
    pub points: AttentionPoints,
}

/// Rounding points of attention; absent points round nothing.
#[derive(Debug, Default)]
pub struct AttentionPoints {
    /// Output of the first linear map.
    pub qkv: Option<Rounding>,
    /// Query after rotation, and after its scale.
    pub query: Option<Rounding>,
    /// Key after rotation.
    pub key: Option<Rounding>,
    /// Scores.
    pub scores: Option<Rounding>,
    /// Output of the FP32 softmax.
    pub probabilities: Option<Rounding>,
    /// Product of probabilities and values.
    pub context: Option<Rounding>,
    /// Output of the second linear map.
    pub out: Option<Rounding>,
}

/// Rotary positions of all rows (arXiv 2104.09864).
#[derive(Debug)]
pub struct Rotation {
    /// Cosines, `[r, d/2]`: for each block of dimensions its frequencies.
    pub cos: Vec<f32>,
    /// Sines, `[r, d/2]`.
    pub sin: Vec<f32>,
    /// Angles of a row, d/2.
    pub angles: usize,
    /// Frequencies of a block: element `i` of the block turns with element `i + block`.
    pub block: usize,
}

impl Rotation {
    pub(super) fn rows(&self) -> usize {
        self.cos.len() / self.angles
    }

    /// Turns the heads of one row.
    fn turn(&self, row: &mut [f32], index: usize, sign: f32) {
        let place = index * self.angles..(index + 1) * self.angles;
        turn(
            row,
            &self.cos[place.clone()],
            &self.sin[place],
            self.block,
            sign,
        );
    }
}

/// Linear biases by distance (arXiv 2108.12409): `slope · |p_i - p_j|` is taken off each score.
#[derive(Debug)]
pub struct Alibi {
    /// One per head.
    pub slopes: Vec<f32>,
    /// Position of every row.
    pub positions: Vec<f32>,
}

/// One head of one sequence.
struct Head {
    /// First row, counted within the piece.
    start: usize,
    /// Which of the heads.
    number: usize,
    /// Query rows, counted within the sequence.
    tile: Range<usize>,
}

impl Attention<'_> {
    fn width(&self) -> usize {
        self.out.inputs
    }

    fn head_dim(&self) -> usize {
        self.width() / self.num_heads
    }

    /// `1 / (√d · missing)`
    fn query_scale(&self) -> f32 {
        ((self.head_dim() as f64).sqrt() * f64::from(self.missing)).recip() as f32
    }

    /// One piece forward. Fills what the backward pass keeps, `qkv` `[r, 3h]` as it enters the scores
    /// and `context` `[r, h]`, and the output. `weights` are those of both linear maps. Returns the
    /// largest allowed score.
    pub(super) fn forward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[Prepared; 2],
        y: &[f32],
        [qkv, context]: [&mut [f32]; 2],
        out: &mut [f32],
    ) -> f32 {
        self.qkv.forward(&weights[0], qkv, y, rows.alone());
        store(qkv, self.points.qkv.as_ref(), Pass::Forward);
        self.position(rows, piece, qkv);
        let mut scores = Buffer::new(rows.seq_len * TILE.min(rows.seq_len));
        let mut counts = [&self.points.scores, &self.points.probabilities]
            .map(|point| Store::new(point.as_ref(), Pass::Forward));
        let mut largest = f32::NEG_INFINITY;
        for head in self.heads(rows, piece) {
            let p = &mut scores[..head.tile.len() * rows.seq_len];
            self.scores(&head, qkv, p);
            counts[0].piece(p);
            let top = self.probabilities(rows, piece, &head, p);
            largest = larger_or_nan(largest, top);
            counts[1].piece(p);
            let p = Matrix::new(p, head.tile.len(), rows.seq_len);
            let out = self.tile_mut(&head, context, self.width(), 0);
            matmul_here(out, p, self.keys(&head, rows, qkv, VALUE), Onto::Nothing);
        }
        drop(counts);
        store(context, self.points.context.as_ref(), Pass::Forward);
        self.out.forward(&weights[1], out, context, rows.alone());
        store(out, self.points.out.as_ref(), Pass::Forward);
        largest * self.missing
    }

    /// One piece backward, from the gradient `d` `[r, h]` of the output to that of the first linear
    /// map's output, `dqkv` `[r, 3h]`. `out` is the second map's weight.
    pub(super) fn backward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        out: &Prepared,
        d: &[f32],
        qkv: &[f32],
        dqkv: &mut [f32],
    ) {
        let mut dcontext = Buffer::new(d.len());
        self.out.backward(out, &mut dcontext, d, rows.alone());
        store(&mut dcontext, self.points.context.as_ref(), Pass::Backward);
        let tile = rows.seq_len * TILE.min(rows.seq_len);
        let mut tiles = [Buffer::new(tile), Buffer::new(tile)];
        let mut rounded = Buffer::new(self.points.probabilities.as_ref().map_or(0, |_| tile));
        let mut counts = [&self.points.probabilities, &self.points.scores]
            .map(|point| Store::new(point.as_ref(), Pass::Backward));
        for head in self.heads(rows, piece) {
            let [p, dp] = tiles
                .each_mut()
                .map(|t| &mut t[..head.tile.len() * rows.seq_len]);
            self.scores(&head, qkv, p);
            round_again(p, self.points.scores.as_ref());
            self.probabilities(rows, piece, &head, p);
            let (m, s) = (head.tile.len(), rows.seq_len);
            let dcontext = Matrix::strided(
                &dcontext[self.place(&head, self.width(), 0)..],
                m,
                self.head_dim(),
                self.width(),
            );
            let value = self.keys(&head, rows, qkv, VALUE).transposed();
            matmul_here(MatrixMut::new(dp, m, s), dcontext, value, Onto::Nothing);
            counts[0].piece(dp);
            self.scores_backward(rows, piece, &head, p, dp);
            counts[1].piece(dp);
            // The product with the values took the probabilities as they were stored.
            let stored = if rounded.is_empty() {
                &*p
            } else {
                rounded[..p.len()].copy_from_slice(p);
                round_again(&mut rounded[..p.len()], self.points.probabilities.as_ref());
                &rounded[..p.len()]
            };
            let stored = Matrix::new(stored, m, s).transposed();
            let onto = if head.tile.start == 0 {
                Onto::Nothing
            } else {
                Onto::Sum
            };
            matmul_here(
                self.keys_mut(&head, rows, dqkv, VALUE),
                stored,
                dcontext,
                onto,
            );
            let dscores = Matrix::new(dp, m, s);
            let query = Matrix::strided(
                &qkv[self.place(&head, 3 * self.width(), QUERY)..],
                m,
                self.head_dim(),
                3 * self.width(),
            );
            matmul_here(
                self.keys_mut(&head, rows, dqkv, KEY),
                dscores.transposed(),
                query,
                onto,
            );
            let key = self.keys(&head, rows, qkv, KEY);
            let dquery = self.tile_mut(&head, dqkv, 3 * self.width(), QUERY);
            matmul_here(dquery, dscores, key, Onto::Nothing);
        }
        drop(counts);
        self.position_backward(rows, piece, dqkv);
        store(dqkv, self.points.qkv.as_ref(), Pass::Backward);
    }

    /// Rotates query and key and scales the query.
    fn position(&self, rows: &Rows, piece: &Range<usize>, qkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.points.query.as_ref(), Pass::Forward);
        let mut key = Store::new(self.points.key.as_ref(), Pass::Forward);
        for (row, index) in qkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let (q, k) = row[..2 * h].split_at_mut(h);
            if let Some(rotation) = rows.rotation() {
                rotation.turn(q, index, 1.0);
                query.piece(q);
                rotation.turn(k, index, 1.0);
                key.piece(k);
            }
            scale(q, self.query_scale());
            query.piece(q);
        }
    }

    /// From the gradients of scaled and rotated query and key to those before.
    fn position_backward(&self, rows: &Rows, piece: &Range<usize>, dqkv: &mut [f32]) {
        let h = self.width();
        let mut query = Store::new(self.points.query.as_ref(), Pass::Backward);
        let mut key = Store::new(self.points.key.as_ref(), Pass::Backward);
        for (row, index) in dqkv.chunks_exact_mut(3 * h).zip(piece.clone()) {
            let (q, k) = row[..2 * h].split_at_mut(h);
            query.piece(q);
            scale(q, self.query_scale());
            if let Some(rotation) = rows.rotation() {
                query.piece(q);
                rotation.turn(q, index, -1.0);
                key.piece(k);
                rotation.turn(k, index, -1.0);
            }
        }
    }

    /// All tiles of a piece, those of one head in order.
    fn heads(&self, rows: &Rows, piece: &Range<usize>) -> impl Iterator<Item = Head> + use<> {
        let (s, heads) = (rows.seq_len, self.num_heads);
        let sequences = (0..piece.len()).step_by(s);
        let heads = sequences.flat_map(move |start| (0..heads).map(move |head| (start, head)));
        heads.flat_map(move |(start, number)| {
            (0..s).step_by(TILE).map(move |first| Head {
                start,
                number,
                tile: first..(first + TILE).min(s),
            })
        })
    }

    /// Where the tile's rows of a part begin, in rows of `stride` values.
    fn place(&self, head: &Head, stride: usize, part: usize) -> usize {
        (head.start + head.tile.start) * stride
            + part * self.width()
            + head.number * self.head_dim()
    }

    fn tile_mut<'b>(
        &self,
        head: &Head,
        values: &'b mut [f32],
        stride: usize,
        part: usize,
    ) -> MatrixMut<'b> {
        let place = self.place(head, stride, part);
        MatrixMut::strided(
            &mut values[place..],
            head.tile.len(),
            self.head_dim(),
            stride,
        )
    }

    /// Where the sequence's rows of a part of `[r, 3h]` begin.
    fn sequence(&self, head: &Head, part: usize) -> usize {
        let h = self.width();
        head.start * 3 * h + part * h + head.number * self.head_dim()
    }

    /// Keys or values of the sequence, `[s, d]`.
    fn keys<'b>(&self, head: &Head, rows: &Rows, qkv: &'b [f32], part: usize) -> Matrix<'b> {
        let values = &qkv[self.sequence(head, part)..];
        Matrix::strided(values, rows.seq_len, self.head_dim(), 3 * self.width())
    }

    fn keys_mut<'b>(
        &self,
        head: &Head,
        rows: &Rows,
        dqkv: &'b mut [f32],
        part: usize,
    ) -> MatrixMut<'b> {
        let values = &mut dqkv[self.sequence(head, part)..];
        MatrixMut::strided(values, rows.seq_len, self.head_dim(), 3 * self.width())
    }

    /// Scores of a tile, `[tile, s]`.
    fn scores(&self, head: &Head, qkv: &[f32], scores: &mut [f32]) {
        let (m, stride) = (head.tile.len(), 3 * self.width());
        let s = scores.len() / m;
        let query = &qkv[self.place(head, stride, QUERY)..];
        let key = &qkv[self.sequence(head, KEY)..];
        let query = Matrix::strided(query, m, self.head_dim(), stride);
        let key = Matrix::strided(key, s, self.head_dim(), stride).transposed();
        matmul_here(MatrixMut::new(scores, m, s), query, key, Onto::Nothing);
    }

    /// From stored scores to probabilities, row by row in place. Returns the largest allowed score.
    fn probabilities(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        head: &Head,
        scores: &mut [f32],
    ) -> f32 {
        let s = rows.seq_len;
        let sequence = piece.start + head.start;
        let mut largest = f32::NEG_INFINITY;
        for (row, slot) in scores.chunks_exact_mut(s).zip(head.tile.clone()) {
            let span = rows.spans[sequence + slot].clone();
            let allowed = &mut row[span.clone()];
            let stored = maximum(allowed);
            let mut top = stored;
            if self.missing != 1.0 {
                scale(allowed, self.missing);
                top = stored * self.missing;
            }
            if let Some(alibi) = rows.alibi() {
                let positions = &alibi.positions[sequence..sequence + s];
                let slope = alibi.slopes[head.number];
                add_distance(allowed, &positions[span.clone()], positions[slot], -slope);
                top = maximum(allowed);
            }
            let sum = if top > CLEAR {
                row[..span.start].fill(0.0);
                row[span.end..].fill(0.0);
                softmax(&mut row[span], top)
            } else {
                row[..span.start].fill(FORBIDDEN);
                row[span.end..].fill(FORBIDDEN);
                let top = maximum(row);
                softmax(row, top)
            };
            let stored = if sum.is_nan() { f32::NAN } else { stored };
            largest = larger_or_nan(largest, stored);
        }
        largest
    }

    /// From the gradients of probabilities to those of stored scores, row by row in place.
    fn scores_backward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        head: &Head,
        p: &[f32],
        dp: &mut [f32],
    ) {
        let s = rows.seq_len;
        let first = piece.start + head.start + head.tile.start;
        let all = p.chunks_exact(s).zip(dp.chunks_exact_mut(s));
        for ((p, dp), span) in all.zip(&rows.spans[first..]) {
            softmax_backward(p, dp, self.missing);
            // A forbidden score was overwritten.
            dp[..span.start].fill(0.0);
            dp[span.end..].fill(0.0);
        }
    }
}

/// Query, key and value by their place in the QKV matrix.
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
