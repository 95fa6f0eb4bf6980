//! Norm, branch and residual as one operation.

mod backward;

use super::attention::Attention;
use super::dropout::Mask;
use super::feed_forward::FeedForward;
use super::linear::{Linear, LinearGradient};
use super::norm::{Norm, NormGradient};
use super::relax::{Divisor, relaxed};
use super::rows::{add, larger_or_nan, scale};
use super::spread::{Rows, cut, part};
use crate::matmul::Prepared;
use crate::range::{Pass, Store, store};
use crate::{Buffer, Rounding};
use rayon::prelude::*;
use std::ops::Range;

/// What goes past the branch f, and which norms stand around f.
#[derive(Debug, Clone, Copy)]
pub enum Residual<'a> {
    /// The norm's output: `y = LN(x)`, `x ← αy + f(y)`, Post-LN shifted by one, as GLM-130B has it.
    Norm {
        /// LN
        norm: Norm<'a>,
        /// α
        alpha: f32,
    },
    /// The stream itself: `x ← x + f(x)`.
    Stream {
        /// f reads its output.
        before: Option<Norm<'a>>,
        /// Its output is added, and it reads that of f.
        after: Option<Norm<'a>>,
    },
}

impl<'a> Residual<'a> {
    /// The norm before the branch.
    #[must_use]
    pub fn before(&self) -> Option<&Norm<'a>> {
        match self {
            Self::Norm { norm, .. } => Some(norm),
            Self::Stream { before, .. } => before.as_ref(),
        }
    }

    /// The norm after the branch.
    #[must_use]
    pub fn after(&self) -> Option<&Norm<'a>> {
        match self {
            Self::Norm { .. } => None,
            Self::Stream { after, .. } => after.as_ref(),
        }
    }
}

/// What a sub-layer computes between its norm and its residual.
#[derive(Debug)]
pub enum Branch<'a> {
    /// Attention.
    Attention(Attention<'a>),
    /// Feed-forward.
    FeedForward(FeedForward<'a>),
}

/// One sub-layer.
#[derive(Debug)]
pub struct Sublayer<'a> {
    /// What goes past the branch, and its norms.
    pub residual: Residual<'a>,
    /// The branch.
    pub branch: Branch<'a>,
    /// Whether norms read what they do divided by a [`Divisor`], the layer-norm half of PB-Relax.
    pub relax: bool,
    /// Dropout of the branch's output, over `[r, h]`.
    pub dropout: Option<&'a Mask>,
    /// Where values are rounded outside the branch.
    pub points: ResidualPoints,
}

/// Rounding points around a branch; absent points round nothing.
#[derive(Debug, Default)]
pub struct ResidualPoints {
    /// Output of the norm before the branch, and its input where that is divided; without this norm the
    /// gradient of what the branch reads.
    pub norm: Option<Rounding>,
    /// Output of the norm after the branch, and its input where that is divided.
    pub out_norm: Option<Rounding>,
    /// `αy`
    pub skip: Option<Rounding>,
    /// The sum.
    pub sum: Option<Rounding>,
}

/// Result of a forward pass.
#[derive(Debug)]
pub struct Forward {
    /// `[r, h]`
    pub output: Buffer,
    /// What the backward pass needs beside the input.
    pub saved: Saved,
    /// The largest allowed attention score, NaN where there is one; -inf without attention.
    pub max_attention_logit: f32,
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug)]
pub struct Saved {
    /// `[r, 3h]` or `[r, 2f]`
    first: Buffer,
    /// `[r, h]` with attention, else empty.
    second: Buffer,
    /// `[r, h]` with a norm after the branch, else empty.
    branch: Buffer,
    /// `[r, 2h]` with norms of heads, else empty.
    raw: Buffer,
    /// Of what the norm before the branch reads, and of what the one after it reads.
    divisors: [Option<Divisor>; 2],
}

/// Intermediate results of a forward pass for those who compare.
#[derive(Debug, Default)]
pub struct Trace {
    /// Output of the norm before the branch, `[r, h]`; empty without.
    pub norm: Buffer,
    /// Output of the branch, after dropout, `[r, h]`.
    pub branch: Buffer,
}

/// Where the gradients of a sub-layer go.
#[derive(Debug)]
pub struct SublayerGradient<'a> {
    /// Of the norm before the branch, where there is one.
    pub norm: Option<NormGradient<'a>>,
    /// Of the norm after it, where there is one.
    pub out_norm: Option<NormGradient<'a>>,
    /// Of the norms of the query's and the key's heads, with [`Attention::head_norms`].
    pub head_norms: Option<[NormGradient<'a>; 2]>,
    /// Of the first linear map.
    pub first: LinearGradient<'a>,
    /// Of the second linear map.
    pub second: LinearGradient<'a>,
}

/// What one piece of the forward pass writes.
struct ForwardPiece<'a> {
    output: &'a mut [f32],
    saved: [&'a mut [f32]; 4],
    trace: Option<[&'a mut [f32]; 2]>,
}

impl Sublayer<'_> {
    fn linears(&self) -> [&Linear<'_>; 2] {
        match &self.branch {
            Branch::Attention(attention) => [&attention.qkv, &attention.out],
            Branch::FeedForward(ffn) => [&ffn.up, &ffn.down],
        }
    }

    fn width(&self) -> usize {
        self.linears()[0].inputs
    }

    /// Widths of what is saved.
    fn saved_widths(&self) -> [usize; 4] {
        let h = self.width();
        let (second, raw) = match &self.branch {
            Branch::Attention(attention) => (h, attention.raw_width()),
            Branch::FeedForward(_) => (0, 0),
        };
        let branch = self.residual.after().map_or(0, |_| h);
        [self.linears()[0].outputs, second, branch, raw]
    }

    /// # Shapes
    /// - x: `[r, h]`
    ///
    /// # Panics
    /// If a slice has another length than its shape says.
    #[must_use]
    pub fn forward(&self, x: &[f32], rows: &Rows, trace: Option<&mut Trace>) -> Forward {
        let (r, h) = (rows.count(), self.width());
        let mut output = Buffer::new(r * h);
        let widths = self.saved_widths();
        let mut saved = widths.map(|width| Buffer::new(r * width));
        let pieces = &rows.pieces;
        let mut jobs: Vec<ForwardPiece> = Vec::with_capacity(pieces.len());
        let is_divided = self.relax && self.residual.before().is_some();
        let divisor = is_divided.then(|| Divisor::new(x));
        let [first, second, branch, raw] = &mut saved;
        let mut parts = [
            cut(first, widths[0], pieces).into_iter(),
            cut(second, widths[1], pieces).into_iter(),
            cut(branch, widths[2], pieces).into_iter(),
            cut(raw, widths[3], pieces).into_iter(),
        ];
        let mut traced = trace.map(|trace| {
            let normed = self.residual.before().map_or(0, |_| h);
            *trace = Trace {
                norm: Buffer::new(r * normed),
                branch: Buffer::new(r * h),
            };
            let parts = [(&mut trace.norm, normed), (&mut trace.branch, h)];
            parts.map(|(buffer, width)| cut(buffer, width, pieces).into_iter())
        });
        for output in cut(&mut output, h, pieces) {
            let next = |parts: &mut std::vec::IntoIter<_>| parts.next().unwrap_or_default();
            jobs.push(ForwardPiece {
                output,
                saved: parts.each_mut().map(next),
                trace: traced.as_mut().map(|parts| parts.each_mut().map(next)),
            });
        }
        let weights = self.linears().map(Linear::forward_weight);
        let largest: Vec<f32> = jobs
            .into_par_iter()
            .with_max_len(1)
            .zip(pieces)
            .map(|(job, piece)| {
                let x = part(x, h, piece);
                self.forward_piece(x, divisor, rows, piece, &weights, job)
            })
            .collect();
        let [first, second, branch, raw] = saved;
        let out_divisor = self.closes_apart().map(|norm| {
            let divisor = Divisor::new(&branch);
            let outputs = cut(&mut output, h, pieces).into_par_iter().with_max_len(1);
            outputs.zip(pieces).for_each(|(out, piece)| {
                let branch = part(&branch, h, piece);
                self.close_normed(norm, part(x, h, piece), branch, Some(divisor), out);
            });
            divisor
        });
        Forward {
            output,
            saved: Saved {
                first,
                second,
                branch,
                raw,
                divisors: [divisor, out_divisor],
            },
            max_attention_logit: largest.into_iter().fold(f32::NEG_INFINITY, larger_or_nan),
        }
    }

    /// The norm after the branch, where it waits for the branch of all pieces: their maximum divides what it
    /// reads.
    fn closes_apart(&self) -> Option<&Norm<'_>> {
        self.residual.after().filter(|_| self.relax)
    }

    fn forward_piece(
        &self,
        x: &[f32],
        divisor: Option<Divisor>,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[Prepared; 2],
        job: ForwardPiece,
    ) -> f32 {
        let (out, [first, second, branch, raw]) = (job.output, job.saved);
        let points = &self.points;
        let normed = self.residual.before().map(|norm| {
            let mut y = Buffer::new(x.len());
            let read = relaxed(x, divisor, Store::new(points.norm.as_ref(), Pass::Forward));
            norm.forward(&mut y, read.as_deref().unwrap_or(x));
            store(&mut y, points.norm.as_ref(), Pass::Forward);
            y
        });
        let y = normed.as_deref().unwrap_or(x);
        let mut largest = f32::NEG_INFINITY;
        match &self.branch {
            Branch::Attention(attention) => {
                let kept = [first, second, raw];
                largest = attention.forward(rows, piece, weights, y, kept, out);
            }
            Branch::FeedForward(ffn) => ffn.forward(rows, weights, y, first, out),
        }
        if let Some(mask) = self.dropout {
            mask.apply(piece.start, out);
            store(out, self.branch.out_point(), Pass::Forward);
        }
        if let Some([norm, result]) = job.trace {
            norm.copy_from_slice(normed.as_deref().unwrap_or_default());
            result.copy_from_slice(out);
        }
        match &self.residual {
            Residual::Norm { alpha, .. } => {
                let mut skip = normed.unwrap_or_else(|| Buffer::of(x));
                scale(&mut skip, *alpha);
                store(&mut skip, points.skip.as_ref(), Pass::Forward);
                add(out, &skip);
                store(out, points.sum.as_ref(), Pass::Forward);
            }
            Residual::Stream { after: None, .. } => {
                add(out, x);
                store(out, points.sum.as_ref(), Pass::Forward);
            }
            Residual::Stream {
                after: Some(norm), ..
            } => {
                branch.copy_from_slice(out);
                if self.closes_apart().is_none() {
                    self.close_normed(norm, x, branch, None, out);
                }
            }
        }
        largest
    }

    /// `out = x + LN(branch)`, the branch divided where it is.
    fn close_normed(
        &self,
        norm: &Norm,
        x: &[f32],
        branch: &[f32],
        divisor: Option<Divisor>,
        out: &mut [f32],
    ) {
        let point = self.points.out_norm.as_ref();
        let read = relaxed(branch, divisor, Store::new(point, Pass::Forward));
        norm.forward(out, read.as_deref().unwrap_or(branch));
        store(out, point, Pass::Forward);
        add(out, x);
        store(out, self.points.sum.as_ref(), Pass::Forward);
    }
}

impl Branch<'_> {
    /// Elements of a norm of heads; 0 without.
    fn head_norm_width(&self) -> usize {
        match self {
            Self::Attention(attention) => {
                let norms = attention.head_norms.as_ref();
                norms.map_or(0, |[query, _]| query.gamma.len())
            }
            Self::FeedForward(_) => 0,
        }
    }

    /// Where the branch's output is rounded, before and after dropout.
    fn out_point(&self) -> Option<&Rounding> {
        match self {
            Self::Attention(attention) => attention.points.out.as_ref(),
            Self::FeedForward(ffn) => ffn.points.down.as_ref(),
        }
    }
}
