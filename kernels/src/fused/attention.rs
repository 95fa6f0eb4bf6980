//! Multi-head attention with a mask of one span per row, RoPE and `ALiBi`. Scores are never kept: a
//! tile of query rows has them in the cache, forward and again backward.

mod counts;
mod head_norm;
mod position;
mod scale;
mod softmax;
mod softmax_half;
mod tiles;

pub use position::Rotation;
pub use scale::{Largest, ScoreScale};
pub use softmax::Alibi;

use counts::Counts;

use super::dropout::Mask;
use super::linear::Linear;
use super::norm::{Norm, NormGradient};
use super::rows::larger_or_nan;
use super::spread::Rows;
use crate::matmul::{Matrix, MatrixMut, Onto, Prepared, matmul_here};
use crate::range::{Pass, store};
use crate::{Buffer, Rounding};
use softmax_half::{exponentials, quotients};
use std::ops::Range;
use tiles::{KEY, QUERY, Tile, VALUE};

/// `softmax(q kᵀ / √d - penalties) v`, heads side by side, between two linear maps.
#[derive(Debug)]
pub struct Attention<'a> {
    /// `[3h, h]`: query, key and value, each with its heads side by side.
    pub qkv: Linear<'a>,
    /// `[h, h]`
    pub out: Linear<'a>,
    /// Of the query's and the key's heads, over their dimension d; absent without.
    pub head_norms: Option<[Norm<'a>; 2]>,
    /// Number of heads.
    pub num_heads: usize,
    /// What keeps stored scores small.
    pub scale: ScoreScale,
    /// Dropout of probabilities, over rows `[b, n, s]` of `s` elements.
    pub dropout: Option<&'a Mask>,
    /// Where values are rounded.
    pub points: AttentionPoints,
}

/// Rounding points of attention; absent points round nothing.
#[derive(Debug, Default)]
pub struct AttentionPoints {
    /// Output of the first linear map.
    pub qkv: Option<Rounding>,
    /// Query after its norm.
    pub query_norm: Option<Rounding>,
    /// Key after its norm.
    pub key_norm: Option<Rounding>,
    /// Query after rotation, and after its scale.
    pub query: Option<Rounding>,
    /// Key after rotation, and after its scale.
    pub key: Option<Rounding>,
    /// Scores, and their steps with PB-Relax and, before a softmax in the format of the pass, with
    /// [`Alibi`].
    pub scores: Option<Rounding>,
    /// Steps of a softmax in the format of the pass; absent where it computes in FP32.
    pub softmax: Option<Rounding>,
    /// Output of the softmax, and after dropout.
    pub probabilities: Option<Rounding>,
    /// Product of probabilities and values.
    pub context: Option<Rounding>,
    /// Output of the second linear map.
    pub out: Option<Rounding>,
}

impl Attention<'_> {
    fn width(&self) -> usize {
        self.out.inputs
    }

    fn head_dim(&self) -> usize {
        self.width() / self.num_heads
    }

    /// One piece forward. Fills what the backward pass keeps, `qkv` `[r, 3h]` as it enters the scores,
    /// `context` `[r, h]` and, for norms of heads, `raw` query and key `[r, 2h]`, and the output.
    /// `weights` are those of both linear maps. Returns the largest allowed score.
    pub(super) fn forward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[Prepared; 2],
        y: &[f32],
        [qkv, context, raw]: [&mut [f32]; 3],
        out: &mut [f32],
    ) -> f32 {
        self.qkv.forward(&weights[0], qkv, y, rows.alone());
        store(qkv, self.points.qkv.as_ref(), Pass::Forward);
        self.normalise(qkv, raw);
        self.position(rows, piece, qkv);
        let mut scores = Buffer::new(self.tile_len(rows));
        let mut counts = Counts::new(&self.points, Pass::Forward);
        let mut largest = f32::NEG_INFINITY;
        for tile in self.tiles(rows, piece) {
            let p = &mut scores[..tile.rows.len() * rows.seq_len];
            self.scores(rows, &tile, qkv, p);
            counts.scores.piece(p);
            let top = self.probabilities(rows, &tile, p, &mut counts);
            largest = larger_or_nan(largest, top);
            counts.probabilities.piece(p);
            if let Some(mask) = self.dropout {
                mask.apply(self.score_row(rows, &tile), p);
                counts.probabilities.piece(p);
            }
            let p = Matrix::new(p, tile.rows.len(), rows.seq_len);
            let out = self.tile_mut(&tile, context, self.width(), 0);
            matmul_here(out, p, self.keys(&tile, rows, qkv, VALUE), Onto::Nothing);
        }
        drop(counts);
        store(context, self.points.context.as_ref(), Pass::Forward);
        self.out.forward(&weights[1], out, context, rows.alone());
        store(out, self.points.out.as_ref(), Pass::Forward);
        largest * self.scale.missing()
    }

    /// One piece backward, from the gradient `d` `[r, h]` of the output to those of query, key and
    /// value as they enter scores and context, `dqkv` `[r, 3h]`. `out` is the second map's weight.
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
        let mut tiles = [(); 2].map(|()| Buffer::new(self.tile_len(rows)));
        let changed =
            self.points.probabilities.is_some() || self.dropout.is_some() || self.softmax_half();
        let mut stored = Buffer::new(if changed { self.tile_len(rows) } else { 0 });
        let mut again = Counts::again(&self.points);
        let mut counts = Counts::new(&self.points, Pass::Backward);
        for tile in self.tiles(rows, piece) {
            let values = tile.rows.len() * rows.seq_len;
            let [p, dp] = tiles.each_mut().map(|t| &mut t[..values]);
            self.scores(rows, &tile, qkv, p);
            again.scores.piece(p);
            self.softmax_again(rows, &tile, p, &mut again);
            self.probabilities_gradient(rows, &tile, [&dcontext, qkv], dp);
            counts.probabilities.piece(dp);
            if let Some(mask) = self.dropout {
                mask.apply(self.score_row(rows, &tile), dp);
                counts.probabilities.piece(dp);
            }
            self.scores_backward(rows, &tile, p, dp, &mut counts);
            let stored = if changed {
                let stored = &mut stored[..values];
                stored.copy_from_slice(p);
                self.store_again(rows, &tile, stored, &mut again);
                &*stored
            } else {
                &*p
            };
            self.tile_gradients(rows, &tile, [stored, dp], [&dcontext, qkv], dqkv);
        }
    }

    /// From the gradients of query and key as they enter the scores to those of the first linear map's
    /// output, in place in `dqkv` `[r, 3h]`; `raw` is what the forward pass kept. Adds to the gradients of
    /// the norms of heads.
    pub(super) fn backward_to_linear(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        raw: &[f32],
        dqkv: &mut [f32],
        head_norms: [NormGradient; 2],
    ) {
        self.position_backward(rows, piece, dqkv);
        self.normalise_backward(raw, dqkv, head_norms);
        store(dqkv, self.points.qkv.as_ref(), Pass::Backward);
    }

    /// The gradient of a tile's probabilities as they were stored: `dp = dcontext vᵀ`.
    fn probabilities_gradient(
        &self,
        rows: &Rows,
        tile: &Tile,
        [dcontext, qkv]: [&[f32]; 2],
        dp: &mut [f32],
    ) {
        let dcontext = self.tile(tile, dcontext, self.width(), 0);
        let value = self.keys(tile, rows, qkv, VALUE).transposed();
        let dp = MatrixMut::new(dp, tile.rows.len(), rows.seq_len);
        matmul_here(dp, dcontext, value, Onto::Nothing);
    }

    /// From stored scores to what the backward pass of the softmax needs, in place: probabilities before
    /// they are stored, or the [`exponentials`] of a softmax in the format of the pass.
    fn softmax_again(&self, rows: &Rows, tile: &Tile, p: &mut [f32], again: &mut Counts) {
        if self.softmax_half() {
            self.relax(rows, p, &mut again.scores);
            exponentials(rows, tile, p, again);
        } else {
            self.probabilities(rows, tile, p, again);
        }
    }

    /// From there to probabilities as the product with the values took them, in place.
    fn store_again(&self, rows: &Rows, tile: &Tile, p: &mut [f32], again: &mut Counts) {
        if self.softmax_half() {
            for row in p.chunks_exact_mut(rows.seq_len) {
                quotients(row, &mut again.softmax);
            }
        }
        again.probabilities.piece(p);
        if let Some(mask) = self.dropout {
            mask.apply(self.score_row(rows, tile), p);
            again.probabilities.piece(p);
        }
    }

    /// What a tile gives to the gradients of query, key and value, from its stored probabilities and
    /// the gradient of its scores.
    fn tile_gradients(
        &self,
        rows: &Rows,
        tile: &Tile,
        [stored, dscores]: [&[f32]; 2],
        [dcontext, qkv]: [&[f32]; 2],
        dqkv: &mut [f32],
    ) {
        let (m, s, stride) = (tile.rows.len(), rows.seq_len, 3 * self.width());
        // Keys and values meet all tiles of their head.
        let onto = if tile.rows.start == 0 {
            Onto::Nothing
        } else {
            Onto::Sum
        };
        let stored = Matrix::new(stored, m, s).transposed();
        let dcontext = self.tile(tile, dcontext, self.width(), 0);
        let dvalue = self.keys_mut(tile, rows, dqkv, VALUE);
        matmul_here(dvalue, stored, dcontext, onto);
        let dscores = Matrix::new(dscores, m, s);
        let query = self.tile(tile, qkv, stride, QUERY);
        let dkey = self.keys_mut(tile, rows, dqkv, KEY);
        matmul_here(dkey, dscores.transposed(), query, onto);
        let key = self.keys(tile, rows, qkv, KEY);
        let dquery = self.tile_mut(tile, dqkv, stride, QUERY);
        matmul_here(dquery, dscores, key, Onto::Nothing);
    }
}
