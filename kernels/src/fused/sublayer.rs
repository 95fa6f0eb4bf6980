//! Norm, branch and residual as one operation.

use super::attention::Attention;
use super::feed_forward::FeedForward;
use super::linear::{Linear, LinearGradient, WeightGradient, weight_gradients};
use super::norm::{Norm, NormGradient};
use super::rows::{add, larger_or_nan, scale, scale_into};
use super::spread::{Rows, cut, part};
use crate::matmul::Prepared;
use crate::range::{Pass, round_again, store};
use crate::{Buffer, Rounding};
use rayon::prelude::*;
use std::ops::Range;

/// Where the norm sits.
#[derive(Debug, Clone, Copy)]
pub enum Arrangement<'a> {
    /// `y = LN(x)`, `x ← αy + f(y)`: Post-LN shifted by one, as GLM-130B has it.
    Post {
        /// α
        alpha: f32,
    },
    /// `x ← x + f(LN(x))`
    Pre,
    /// `x ← x + LN(f(LN(x)))`, with the second norm.
    Sandwich(Norm<'a>),
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
    /// Where the norm sits.
    pub arrangement: Arrangement<'a>,
    /// The norm before the branch.
    pub norm: Norm<'a>,
    /// The branch.
    pub branch: Branch<'a>,
    /// Where values are rounded outside the branch.
    pub points: ResidualPoints,
}

/// Rounding points around a branch; absent points round nothing.
#[derive(Debug, Default)]
pub struct ResidualPoints {
    /// Output of the norm.
    pub norm: Option<Rounding>,
    /// Output of the second norm.
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
    /// `[r, h]` with a second norm, else empty.
    branch: Buffer,
}

/// Intermediate results of a forward pass for those who compare.
#[derive(Debug, Default)]
pub struct Trace {
    /// Output of the norm, `[r, h]`.
    pub norm: Buffer,
    /// Output of the branch, `[r, h]`.
    pub branch: Buffer,
}

/// Where the gradients of a sub-layer go.
#[derive(Debug)]
pub struct SublayerGradient<'a> {
    /// Of the norm.
    pub norm: NormGradient<'a>,
    /// Of the second norm, with [`Arrangement::Sandwich`].
    pub out_norm: Option<NormGradient<'a>>,
    /// Of the first linear map.
    pub first: LinearGradient<'a>,
    /// Of the second linear map.
    pub second: LinearGradient<'a>,
}

/// What one piece of the forward pass writes.
struct ForwardPiece<'a> {
    output: &'a mut [f32],
    saved: [&'a mut [f32]; 3],
    trace: Option<[&'a mut [f32]; 2]>,
}

/// What one piece of the backward pass writes: gradients of the input, the branch's output and the
/// first linear map's output, the inputs of both linear maps, and its share of the vectors' gradients.
struct BackwardPiece<'a> {
    dx: &'a mut [f32],
    d: &'a mut [f32],
    dbranch: &'a mut [f32],
    dfirst: &'a mut [f32],
    y: &'a mut [f32],
    inner: &'a mut [f32],
    vectors: Vectors,
}

/// Gradients of the vectors, each empty where the sub-layer has none.
struct Vectors {
    norm: [Buffer; 2],
    out_norm: [Buffer; 2],
    biases: [Buffer; 2],
}

impl Sublayer<'_> {
    fn linears(&self) -> [&Linear<'_>; 2] {
        match &self.branch {
            Branch::Attention(attention) => [&attention.qkv, &attention.out],
            Branch::FeedForward(ffn) => [&ffn.up, &ffn.down],
        }
    }

    fn width(&self) -> usize {
        self.norm.gamma.len()
    }

    fn sandwich(&self) -> Option<&Norm<'_>> {
        match &self.arrangement {
            Arrangement::Sandwich(norm) => Some(norm),
            _ => None,
        }
    }

    /// Widths of what is saved.
    fn saved_widths(&self) -> [usize; 3] {
        let h = self.width();
        let second = if matches!(self.branch, Branch::Attention(_)) {
            h
        } else {
            0
        };
        let branch = self.sandwich().map_or(0, |_| h);
        [self.linears()[0].outputs, second, branch]
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
        let [first, second, branch] = &mut saved;
        let mut parts = [
            cut(first, widths[0], pieces).into_iter(),
            cut(second, widths[1], pieces).into_iter(),
            cut(branch, widths[2], pieces).into_iter(),
        ];
        let mut traced = trace.map(|trace| {
            *trace = Trace {
                norm: Buffer::new(r * h),
                branch: Buffer::new(r * h),
            };
            [&mut trace.norm, &mut trace.branch].map(|buffer| cut(buffer, h, pieces).into_iter())
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
            .map(|(job, piece)| self.forward_piece(part(x, h, piece), rows, piece, &weights, job))
            .collect();
        let [first, second, branch] = saved;
        Forward {
            output,
            saved: Saved {
                first,
                second,
                branch,
            },
            max_attention_logit: largest.into_iter().fold(f32::NEG_INFINITY, larger_or_nan),
        }
    }

    fn forward_piece(
        &self,
        x: &[f32],
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[Prepared; 2],
        job: ForwardPiece,
    ) -> f32 {
        let (out, [first, second, branch]) = (job.output, job.saved);
        let points = &self.points;
        let mut y = Buffer::new(x.len());
        self.norm.forward(&mut y, x);
        store(&mut y, points.norm.as_ref(), Pass::Forward);
        let mut largest = f32::NEG_INFINITY;
        match &self.branch {
            Branch::Attention(attention) => {
                largest = attention.forward(rows, piece, weights, &y, [first, second], out);
            }
            Branch::FeedForward(ffn) => ffn.forward(rows, weights, &y, first, out),
        }
        if let Some([norm, result]) = job.trace {
            norm.copy_from_slice(&y);
            result.copy_from_slice(out);
        }
        match &self.arrangement {
            Arrangement::Post { alpha } => {
                scale(&mut y, *alpha);
                store(&mut y, points.skip.as_ref(), Pass::Forward);
                add(out, &y);
            }
            Arrangement::Pre => add(out, x),
            Arrangement::Sandwich(norm) => {
                branch.copy_from_slice(out);
                norm.forward(out, branch);
                store(out, points.out_norm.as_ref(), Pass::Forward);
                add(out, x);
            }
        }
        store(out, points.sum.as_ref(), Pass::Forward);
        largest
    }

    /// From the gradient `d` of the output, which is rounded in place, to that of the input.
    ///
    /// # Shapes
    /// - x, d and result: `[r, h]`
    ///
    /// # Panics
    /// If a slice has another length than its shape says.
    #[must_use]
    pub fn backward(
        &self,
        x: &[f32],
        saved: &Saved,
        mut d: Buffer,
        rows: &Rows,
        gradient: SublayerGradient,
    ) -> Buffer {
        let (r, h) = (rows.count(), self.width());
        let [first, second] = self.linears();
        let mut dx = Buffer::new(r * h);
        let mut dfirst = Buffer::new(r * first.outputs);
        let mut y = Buffer::new(r * h);
        let own_inner = matches!(self.branch, Branch::FeedForward(_));
        let mut inner = Buffer::new(if own_inner { r * second.inputs } else { 0 });
        let mut dbranch = Buffer::new(self.sandwich().map_or(0, |_| r * h));
        let pieces = &rows.pieces;
        let mut jobs = self.backward_pieces(
            pieces,
            [
                &mut dx,
                &mut d,
                &mut dbranch,
                &mut dfirst,
                &mut y,
                &mut inner,
            ],
        );
        let weights = [first, second].map(Linear::backward_weight);
        jobs.par_iter_mut()
            .with_max_len(1)
            .zip(pieces)
            .for_each(|(job, piece)| self.backward_piece(x, saved, rows, piece, &weights, job));
        let vectors: Vec<Vectors> = jobs.into_iter().map(|job| job.vectors).collect();
        let SublayerGradient {
            norm,
            mut out_norm,
            first: dfirst_weights,
            second: dsecond_weights,
        } = gradient;
        let mut biases = [dfirst_weights.bias, dsecond_weights.bias];
        for vectors in vectors {
            add(norm.gamma, &vectors.norm[0]);
            add(norm.beta, &vectors.norm[1]);
            if let Some(out_norm) = &mut out_norm {
                add(out_norm.gamma, &vectors.out_norm[0]);
                add(out_norm.beta, &vectors.out_norm[1]);
            }
            for (bias, share) in biases.iter_mut().zip(&vectors.biases) {
                if let Some(bias) = bias {
                    add(bias, share);
                }
            }
        }
        weight_gradients([
            WeightGradient {
                out: dfirst_weights.weight,
                dy: &dfirst,
                x: &y,
                outputs: first.outputs,
                inputs: first.inputs,
            },
            WeightGradient {
                out: dsecond_weights.weight,
                dy: if dbranch.is_empty() { &d } else { &dbranch },
                x: if own_inner { &inner } else { &saved.second },
                outputs: second.outputs,
                inputs: second.inputs,
            },
        ]);
        dx
    }

    fn backward_pieces<'b>(
        &self,
        pieces: &[Range<usize>],
        [dx, d, dbranch, dfirst, y, inner]: [&'b mut [f32]; 6],
    ) -> Vec<BackwardPiece<'b>> {
        let h = self.width();
        let [first, second] = self.linears();
        let sandwich = self.sandwich().map_or(0, |_| h);
        let inner_width = if inner.is_empty() { 0 } else { second.inputs };
        let mut parts = [
            cut(dx, h, pieces).into_iter(),
            cut(d, h, pieces).into_iter(),
            cut(dbranch, sandwich, pieces).into_iter(),
            cut(dfirst, first.outputs, pieces).into_iter(),
            cut(y, h, pieces).into_iter(),
            cut(inner, inner_width, pieces).into_iter(),
        ];
        let mut next = || parts.each_mut().map(|part| part.next().unwrap_or_default());
        pieces
            .iter()
            .map(|_| {
                let [dx, d, dbranch, dfirst, y, inner] = next();
                let bias = |linear: &Linear| linear.bias.map_or(0, |_| linear.outputs);
                BackwardPiece {
                    dx,
                    d,
                    dbranch,
                    dfirst,
                    y,
                    inner,
                    vectors: Vectors {
                        norm: [Buffer::zeros(h), Buffer::zeros(h)],
                        out_norm: [Buffer::zeros(sandwich), Buffer::zeros(sandwich)],
                        biases: [Buffer::zeros(bias(first)), Buffer::zeros(bias(second))],
                    },
                }
            })
            .collect()
    }

    fn backward_piece(
        &self,
        x: &[f32],
        saved: &Saved,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[Prepared; 2],
        job: &mut BackwardPiece,
    ) {
        let h = self.width();
        let [first, second] = self.linears();
        let x = part(x, h, piece);
        let points = &self.points;
        let vectors = &mut job.vectors;
        store(job.d, points.sum.as_ref(), Pass::Backward);
        // Rounded once, the gradient stays as it is at every point up to the branch.
        let dbranch = match &self.arrangement {
            Arrangement::Sandwich(norm) => {
                let [gamma, beta] = &mut vectors.out_norm;
                let gradient = NormGradient { gamma, beta };
                norm.backward(job.dbranch, part(&saved.branch, h, piece), job.d, gradient);
                store(job.dbranch, self.branch.out_point(), Pass::Backward);
                &*job.dbranch
            }
            _ => &*job.d,
        };
        second.bias_gradient(&mut vectors.biases[1], dbranch);
        let kept = part(&saved.first, first.outputs, piece);
        match &self.branch {
            Branch::Attention(attention) => {
                attention.backward(rows, piece, &weights[1], dbranch, kept, job.dfirst);
            }
            Branch::FeedForward(ffn) => {
                ffn.backward(rows, &weights[1], dbranch, kept, job.dfirst, job.inner);
            }
        }
        first.bias_gradient(&mut vectors.biases[0], job.dfirst);
        let mut dy = Buffer::new(x.len());
        first.backward(&weights[0], &mut dy, job.dfirst, rows.alone());
        if let Arrangement::Post { alpha } = self.arrangement {
            // Both consumers of the norm's output round their gradient before the sum.
            store(&mut dy, points.norm.as_ref(), Pass::Backward);
            let mut skip = Buffer::new(x.len());
            scale_into(&mut skip, job.d, alpha);
            store(&mut skip, points.norm.as_ref(), Pass::Backward);
            add(&mut dy, &skip);
        }
        store(&mut dy, points.norm.as_ref(), Pass::Backward);
        self.norm.forward(job.y, x);
        round_again(job.y, points.norm.as_ref());
        let [gamma, beta] = &mut vectors.norm;
        self.norm
            .backward(job.dx, x, &dy, NormGradient { gamma, beta });
        if !matches!(self.arrangement, Arrangement::Post { .. }) {
            store(job.dx, points.norm.as_ref(), Pass::Backward);
            add(job.dx, job.d);
        }
    }
}

impl Branch<'_> {
    /// Where the branch's output is rounded.
    fn out_point(&self) -> Option<&Rounding> {
        match self {
            Self::Attention(attention) => attention.points.out.as_ref(),
            Self::FeedForward(ffn) => ffn.points.down.as_ref(),
        }
    }
}
