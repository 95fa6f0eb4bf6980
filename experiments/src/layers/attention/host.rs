//! On slices, forward and backward by hand. Scores are never kept: a tile of query rows has them in the cache,
//! forward and again backward.

mod counts;
mod head_norm;
mod kept;
pub(crate) mod kv_cache;
mod position;
mod scale;
pub(crate) mod slots;
mod softmax;
mod softmax_half;
pub(crate) mod tiles;

use super::{HEAD_NORMS, KEY, QUERY, ScoreScale, VALUE};
use crate::layers::context::host::Context;
use crate::layers::residual::ATTENTION;
use crate::layers::residual::host::{Branch, second_map};
use crate::layers::rows::Rows;
use crate::numerics::precision::{At, Places};
use crate::ranks::Ranks;
use counts::Counts;
use kernels::slices::rows::larger_or_nan;
use kernels::slices::{ForwardWeight, Linear, Mask, Norm, NormGradient};
use kernels::{Buffer, Matrix, MatrixMut, Onto, Pass, Prepared, matmul_here, store};
use kv_cache::KvCache;
use slots::Slots;
use softmax_half::quotients;
use std::ops::Range;
use tiles::Tile;

/// The attention of one layer.
pub(crate) struct Attention<'a> {
    /// `[3h, h]`: query, key and value, each with its heads side by side.
    qkv: Linear<'a>,
    /// `[h, h]`
    out: Linear<'a>,
    /// Of the query's and the key's heads, over their dimension d; absent without.
    head_norms: Option<[Norm<'a>; 2]>,
    num_heads: usize,
    /// The first of its heads among all, and how many those are: fewer are here where ranks share the heads.
    first_head: usize,
    all_heads: usize,
    scale: ScoreScale,
    slots: &'a Slots,
    /// Dropout of probabilities, over rows `[b, n, s]` of `s` elements.
    dropout: Option<&'a Mask>,
    places: Places<'a>,
    /// Where rows are read behind others: what those left, and the number of this layer.
    cache: Option<(&'a KvCache, usize)>,
}

impl<'a> Attention<'a> {
    pub(crate) fn new(context: &'a Context<'a>, layer: usize) -> Self {
        let name = |part: &str| format!("layers.{layer}.{}.{part}", ATTENTION.name);
        let (model, weights) = (&context.config.model, &context.weights);
        let [rank, ranks] = context.tensor.map_or([0, 1], Ranks::share);
        Self {
            qkv: weights.linear(&name("qkv")),
            out: weights.linear(&name("out")),
            head_norms: (model.qk_norm).then(|| HEAD_NORMS.map(|part| weights.norm(&name(part)))),
            num_heads: model.num_heads / ranks,
            first_head: model.num_heads / ranks * rank,
            all_heads: model.num_heads,
            scale: ScoreScale::new(&context.config.precision, layer),
            slots: &context.slots,
            dropout: context.masks.layer(layer).probabilities.as_ref(),
            places: context.precision.layer(layer),
            cache: context.before.map(|before| (before.cache, layer)),
        }
    }

    /// Of the heads that are here.
    fn width(&self) -> usize {
        self.out.inputs
    }

    fn head_dim(&self) -> usize {
        self.width() / self.num_heads
    }

    /// The context `[r, h]` of a piece from query, key and value as they enter the scores. Returns the largest allowed
    /// stored score.
    fn attend(&self, rows: &Rows, piece: &Range<usize>, qkv: &[f32], context: &mut [f32]) -> f32 {
        let mut scores = Buffer::new(self.tile_len(rows));
        let mut counts = Counts::new(self, Pass::Forward);
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
        largest
    }

    /// One piece backward, from the gradient `d` `[r, h]` of the output to those of query, key and
    /// value as they enter scores and context, `dqkv` `[r, 3h]`. `out` is the second map's weight.
    fn backward_to_scores(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        out: &Prepared,
        d: &[f32],
        qkv: &[f32],
        dqkv: &mut [f32],
    ) {
        let mut dcontext = Buffer::new(piece.len() * self.width());
        self.out.backward(out, &mut dcontext, d, rows.alone());
        store(&mut dcontext, self.places.at(At::Context), Pass::Backward);
        let mut tiles = [(); 2].map(|()| Buffer::new(self.tile_len(rows)));
        let changed = self.places.at(At::Probabilities).is_some()
            || self.dropout.is_some()
            || self.softmax_half();
        let mut stored = Buffer::new(if changed { self.tile_len(rows) } else { 0 });
        let mut again = Counts::again(self);
        let mut counts = Counts::new(self, Pass::Backward);
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
    fn backward_to_linear(
        &self,
        piece: &Range<usize>,
        raw: &[f32],
        dqkv: &mut [f32],
        head_norms: [NormGradient; 2],
    ) {
        self.position_backward(piece, dqkv);
        self.normalise_backward(raw, dqkv, head_norms);
        store(dqkv, self.places.at(At::Qkv), Pass::Backward);
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
    /// they are stored, or the [`Attention::exponentials`] of a softmax in the format of the pass.
    fn softmax_again(&self, rows: &Rows, tile: &Tile, p: &mut [f32], again: &mut Counts) {
        if self.softmax_half() {
            self.relax(rows, p, &mut again.scores);
            self.exponentials(rows, tile, p, again);
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

impl Branch for Attention<'_> {
    fn linears(&self) -> [&Linear<'_>; 2] {
        [&self.qkv, &self.out]
    }

    fn kept_widths(&self) -> [usize; 2] {
        let raw = self.head_norms.map_or(0, |_| 2 * self.width());
        [self.width(), raw]
    }

    fn head_norm_width(&self) -> usize {
        let norms = self.head_norms.as_ref();
        norms.map_or(0, |[query, _]| query.gamma.len())
    }

    /// Keeps query, key and value `[r, 3h]` as they enter the scores, the context `[r, h]` and, for norms of
    /// heads, query and key as they enter those, `[r, 2h]`. Returns the largest allowed score.
    fn forward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[ForwardWeight; 2],
        y: &[f32],
        [qkv, context, raw]: [&mut [f32]; 3],
        out: &mut [f32],
    ) -> f32 {
        self.qkv.forward(&weights[0], qkv, y, rows.alone());
        store(qkv, self.places.at(At::Qkv), Pass::Forward);
        self.normalise(qkv, raw);
        self.position(piece, qkv);
        let largest = match self.cache {
            None => self.attend(rows, piece, qkv, context),
            Some((cache, layer)) => self.attend_to_kept(cache, layer, qkv, context),
        };
        store(context, self.places.at(At::Context), Pass::Forward);
        let point = self.places.at(At::AttentionOut);
        let is_split = self.num_heads < self.all_heads;
        second_map(
            &self.out,
            &weights[1],
            context,
            out,
            rows,
            (point, is_split),
        );
        largest * self.scale.missing as f32
    }

    fn backward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        out: &Prepared,
        [d, qkv, raw]: [&[f32]; 3],
        dqkv: &mut [f32],
        head_norms: [NormGradient; 2],
    ) -> Option<Buffer> {
        self.backward_to_scores(rows, piece, out, d, qkv, dqkv);
        self.backward_to_linear(piece, raw, dqkv, head_norms);
        None
    }
}
