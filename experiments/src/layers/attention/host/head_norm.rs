//! Layer norms of the heads of query and key (arXiv 2010.04245, with LN as in 2302.05442).

use super::Attention;
use crate::numerics::precision::At;
use kernels::slices::NormGradient;
use kernels::{Buffer, Pass, Store};

impl Attention<'_> {
    /// Normalises the heads of query and key `[r, 3h]`, and keeps them as they were in `raw` `[r, 2h]`.
    pub(super) fn normalise(&self, qkv: &mut [f32], raw: &mut [f32]) {
        let Some([query_norm, key_norm]) = &self.head_norms else {
            return;
        };
        let h = self.width();
        let mut counts = self.norm_points(Pass::Forward);
        for (row, raw) in qkv.chunks_exact_mut(3 * h).zip(raw.chunks_exact_mut(2 * h)) {
            raw.copy_from_slice(&row[..2 * h]);
            let (query, key) = row[..2 * h].split_at_mut(h);
            // A row of heads is as many rows of one head each.
            query_norm.forward(query, &raw[..h]);
            counts[0].piece(query);
            key_norm.forward(key, &raw[h..]);
            counts[1].piece(key);
        }
    }

    /// From the gradients of normalised query and key to those before, in place in `dqkv` `[r, 3h]`.
    pub(super) fn normalise_backward(
        &self,
        raw: &[f32],
        dqkv: &mut [f32],
        [mut query_gradient, mut key_gradient]: [NormGradient; 2],
    ) {
        let Some([query_norm, key_norm]) = &self.head_norms else {
            return;
        };
        let h = self.width();
        let mut counts = self.norm_points(Pass::Backward);
        let mut d = Buffer::new(2 * h);
        for (row, raw) in dqkv.chunks_exact_mut(3 * h).zip(raw.chunks_exact(2 * h)) {
            d.copy_from_slice(&row[..2 * h]);
            let (dquery, dkey) = d.split_at_mut(h);
            counts[0].piece(dquery);
            query_norm.backward(&mut row[..h], &raw[..h], dquery, query_gradient.reborrow());
            counts[1].piece(dkey);
            key_norm.backward(&mut row[h..2 * h], &raw[h..], dkey, key_gradient.reborrow());
        }
    }

    fn norm_points(&self, pass: Pass) -> [Store<'_>; 2] {
        [At::QueryNorm, At::KeyNorm].map(|at| Store::new(self.places.at(at), pass))
    }
}
