//! Where every rank has some of the rows outside the branch: forward, and what the backward pass does outside.

use super::vectors::Vectors;
use super::{Forward, ForwardPiece, Saved, Sublayer};
use crate::layers::rows::{Rows, part};
use crate::ranks::RowShares;
use kernels::Buffer;
use kernels::slices::Linear;
use kernels::slices::rows::larger_or_nan;
use rayon::prelude::*;

impl Sublayer<'_> {
    /// From the own rows to the own rows; the branch reads the rows of all ranks.
    pub(super) fn forward_of_rows(&self, shares: &RowShares, x: &[f32], rows: &Rows) -> Forward {
        let (r, h, own) = (rows.count, self.width(), shares.own());
        let normed = self.before.map(|norm| self.normed(&norm, x));
        let read = shares.gather(normed.as_deref().unwrap_or(x), h);
        let mut sums = Buffer::new(r * h);
        let mut saved = self.saved_widths(false).map(|width| Buffer::new(r * width));
        let weights = self.branch.linears().map(Linear::forward_weight);
        let jobs = self.jobs(rows, &mut sums, &mut saved, None);
        let jobs = jobs.into_par_iter().with_max_len(1).zip(&rows.pieces);
        let largest: Vec<f32> = jobs
            .map(|(mut job, piece)| {
                let [first, second, _, raw] = &mut job.saved;
                let kept = [&mut **first, second, raw];
                let y = part(&read, h, piece);
                (self.branch).forward(rows, piece, &weights, y, kept, job.output)
            })
            .collect();
        let mut output = shares.sum(&sums, h);
        let [first, second, _, raw] = saved;
        let mut branch = Buffer::new(self.after.map_or(0, |_| x.len()));
        let job = ForwardPiece {
            output: &mut output,
            saved: [&mut [], &mut [], &mut branch, &mut []],
            trace: None,
        };
        self.close_summed(x, None, &own, job);
        Forward {
            output,
            saved: Saved {
                first,
                second,
                branch,
                raw,
                read,
                divisors: [None; 2],
            },
            max_attention_logit: largest.into_iter().fold(f32::NEG_INFINITY, larger_or_nan),
        }
    }

    /// From the gradient `d` of the own rows' output, which is rounded in place, to that of the branch's output, of the
    /// rows of all ranks.
    pub(super) fn open_rows(
        &self,
        shares: &RowShares,
        saved: &Saved,
        d: &mut [f32],
        vectors: &mut Vectors,
    ) -> Buffer {
        let dbranch = self.open(
            &saved.branch,
            saved.divisors[1],
            shares.own().start,
            d,
            vectors,
        );
        shares.gather(dbranch.as_deref().unwrap_or(d), self.width())
    }
}
