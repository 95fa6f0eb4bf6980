//! On slices: norm, branch and residual as one operation, forward and backward by hand.

mod backward;
mod rows;
mod vectors;

use super::Half;
use crate::layers::attention::HEAD_NORMS;
use crate::layers::context::host::Context;
use crate::layers::gradients::slices::{GradientSlices, SublayerGradient};
use crate::layers::norm::{Divisor, relaxed};
use crate::layers::rows::{Rows, cut, part};
use crate::numerics::precision::Places;
use crate::ranks::{Ranks, RowShares};
use experiments_config::Residual;
use kernels::slices::rows::{add, larger_or_nan, scale};
use kernels::slices::{ForwardWeight, Linear, Mask, Norm, NormGradient};
use kernels::{Buffer, Pass, Prepared, Rounding, Store, round_again, store};
use rayon::prelude::*;
use std::ops::Range;

/// What a sub-layer computes between its norm and its residual, a piece of rows at a time: two linear maps and what
/// stands between them.
pub(crate) trait Branch: Sync {
    /// The linear maps.
    fn linears(&self) -> [&Linear<'_>; 2];

    /// Widths of what the forward pass keeps beside the first map's output: the second map's input, where that is not
    /// computed again (a pass that is watched keeps it always), and what enters norms of heads.
    fn kept_widths(&self) -> [usize; 2];

    /// Elements of a norm of heads; 0 without.
    fn head_norm_width(&self) -> usize;

    /// One piece forward, from its input `y` `[r, h]`. Fills what is kept, the first map's output before the others,
    /// and the output `[r, h]`. `weights` are those of both maps. Returns the largest allowed attention score, -inf
    /// without attention.
    fn forward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[ForwardWeight; 2],
        y: &[f32],
        kept: [&mut [f32]; 3],
        out: &mut [f32],
    ) -> f32;

    /// One piece backward, from the gradient `d` of the output `[r, h]`, the first map's output and what entered norms
    /// of heads, to the gradient `dfirst` of the first map's output. Adds to the gradients of the norms of heads and
    /// returns the second map's input where it was not kept. `second` is the second map's weight.
    fn backward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        second: &Prepared,
        given: [&[f32]; 3],
        dfirst: &mut [f32],
        head_norms: [NormGradient; 2],
    ) -> Option<Buffer>;
}

/// One sub-layer.
pub(crate) struct Sublayer<'a> {
    pub(crate) half: &'static Half,
    /// `layers.3.attention`
    name: String,
    residual: Residual,
    /// α
    alpha: f32,
    /// The norms before the branch and after it.
    pub(crate) before: Option<Norm<'a>>,
    after: Option<Norm<'a>>,
    branch: Box<dyn Branch + 'a>,
    /// Whether norms read what they do divided by a [`Divisor`].
    relax: bool,
    /// Dropout of the branch's output, over `[r, h]`.
    pub(crate) dropout: Option<&'a Mask>,
    places: Places<'a>,
    /// The ranks that share the branch's matrices, where there are several: each has a share of its output.
    tensor: Option<&'a Ranks>,
    /// Both weights, where they are ready for products already.
    prepared: Option<&'a [ForwardWeight<'a>; 2]>,
    /// Whose the rows outside the branch are, where those have each some of them.
    rows: Option<&'a RowShares<'a>>,
}

/// Result of a forward pass.
#[derive(Debug)]
pub(crate) struct Forward {
    /// `[r, h]`
    pub(crate) output: Buffer,
    /// What the backward pass needs beside the input.
    pub(crate) saved: Saved,
    /// The largest allowed attention score, NaN where there is one; -inf without attention.
    pub(crate) max_attention_logit: f32,
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug)]
pub(crate) struct Saved {
    /// `[r, 3h]` or `[r, 2f]`
    first: Buffer,
    /// What entered the second map: `[r, h]` with attention; of a feed-forward `[r, f]` in a pass that is watched,
    /// else empty.
    second: Buffer,
    /// `[r, h]` with a norm after the branch, else empty.
    branch: Buffer,
    /// `[r, 2h]` with norms of heads, else empty.
    raw: Buffer,
    /// What the branch read, `[r, h]`, where ranks have it from each other, else empty.
    read: Buffer,
    /// Of what the norm before the branch reads, and of what the one after it reads.
    divisors: [Option<Divisor>; 2],
}

/// Intermediate results of a forward pass for those who watch it.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Output of the norm before the branch, `[r, h]`; empty without.
    pub(crate) norm: Buffer,
    /// Output of the branch, after dropout, `[r, h]`.
    pub(crate) branch: Buffer,
}

/// What one piece of the forward pass writes.
struct ForwardPiece<'a> {
    output: &'a mut [f32],
    saved: [&'a mut [f32]; 4],
    trace: Option<[&'a mut [f32]; 2]>,
}

/// From the input of a branch's second linear map to its output. Bias and rounding come behind the sum over ranks where
/// those share the map.
pub(crate) fn second_map(
    map: &Linear,
    weight: &ForwardWeight,
    inner: &[f32],
    out: &mut [f32],
    rows: &Rows,
    (point, is_split): (Option<&Rounding>, bool),
) {
    if is_split {
        let own = Linear { bias: None, ..*map };
        own.forward(weight, out, inner, rows.alone());
    } else {
        map.forward(weight, out, inner, rows.alone());
        store(out, point, Pass::Forward);
    }
}

impl<'a> Sublayer<'a> {
    pub(crate) fn new(
        half: &'static Half,
        context: &'a Context<'a>,
        layer: usize,
        branch: Box<dyn Branch + 'a>,
        dropout: Option<&'a Mask>,
    ) -> Self {
        let model = &context.config.model;
        let name = format!("layers.{layer}.{}", half.name);
        let norm = |part: &str| context.weights.norm(&format!("{name}_{part}"));
        Self {
            half,
            residual: model.norm.row().residual,
            alpha: model.norm.alpha(model.layers) as f32,
            before: model.norm.is_before().then(|| norm("norm")),
            after: model.norm.is_after().then(|| norm("out_norm")),
            branch,
            relax: context.config.precision.pb_relax.norm,
            dropout,
            places: context.precision.layer(layer),
            tensor: context.tensor,
            prepared: None,
            rows: context.rows.as_ref(),
            name,
        }
    }

    /// The same with both weights ready for products.
    pub(crate) fn with(self, prepared: Option<&'a [ForwardWeight<'a>; 2]>) -> Self {
        Self { prepared, ..self }
    }

    /// Where the gradients of its parameters go.
    pub(crate) fn gradient<'g>(&self, slices: &'g mut GradientSlices) -> SublayerGradient<'g> {
        let name = |part: &str| format!("{}{part}", self.name);
        let norm = |norm: &Option<Norm>, part| norm.map(|_| name(part));
        let linears = self.half.linears.map(|part| name(&format!(".{part}")));
        let heads = HEAD_NORMS.map(|part| name(&format!(".{part}")));
        slices.sublayer(
            [norm(&self.before, "_norm"), norm(&self.after, "_out_norm")],
            (self.branch.head_norm_width() > 0).then_some(heads),
            &linears,
        )
    }

    fn width(&self) -> usize {
        self.branch.linears()[0].inputs
    }

    /// Widths of what is saved.
    fn saved_widths(&self, is_watched: bool) -> [usize; 4] {
        let [first, second] = self.branch.linears();
        let [kept, raw] = self.branch.kept_widths();
        let kept = if is_watched { second.inputs } else { kept };
        let branch = self.after.map_or(0, |_| self.width());
        [first.outputs, kept, branch, raw]
    }

    /// What entered the second map in a pass that was watched, and its width.
    pub(crate) fn second_inputs<'b>(&self, saved: &'b Saved) -> (&'b [f32], usize) {
        (&saved.second, self.branch.linears()[1].inputs)
    }

    /// What each piece writes.
    fn jobs<'b>(
        &self,
        rows: &Rows,
        output: &'b mut [f32],
        saved: &'b mut [Buffer; 4],
        trace: Option<&'b mut Trace>,
    ) -> Vec<ForwardPiece<'b>> {
        let (h, pieces) = (self.width(), &rows.pieces);
        let mut widths = self.saved_widths(trace.is_some()).into_iter();
        let mut parts = saved.each_mut().map(|buffer| {
            let width = widths.next().unwrap_or_default();
            cut(buffer, width, pieces).into_iter()
        });
        let mut traced = trace.map(|trace| {
            let normed = self.before.map_or(0, |_| h);
            let parts = [(&mut trace.norm, normed), (&mut trace.branch, h)];
            parts.map(|(buffer, width)| cut(buffer, width, pieces).into_iter())
        });
        let next = |parts: &mut std::vec::IntoIter<_>| parts.next().unwrap_or_default();
        let job = |output| ForwardPiece {
            output,
            saved: parts.each_mut().map(next),
            trace: traced.as_mut().map(|parts| parts.each_mut().map(next)),
        };
        cut(output, h, pieces).into_iter().map(job).collect()
    }

    /// # Shapes
    /// - x and the output: `[r, h]`, of the own rows
    ///
    /// # Panics
    /// If a slice has another length than its shape says.
    pub(crate) fn forward(&self, x: &[f32], rows: &Rows, trace: Option<&mut Trace>) -> Forward {
        if let Some(shares) = self.rows {
            return self.forward_of_rows(shares, x, rows);
        }
        let (r, h) = (rows.count, self.width());
        let mut output = Buffer::new(r * h);
        let widths = self.saved_widths(trace.is_some());
        let mut saved = widths.map(|width| Buffer::new(r * width));
        let pieces = &rows.pieces;
        let is_divided = self.relax && self.before.is_some();
        let divisor = is_divided.then(|| Divisor::new(x));
        let mut trace = trace;
        if let Some(trace) = &mut trace {
            **trace = Trace {
                norm: Buffer::new(self.before.map_or(0, |_| r * h)),
                branch: Buffer::new(r * h),
            };
        }
        let made;
        let weights = if let Some(ready) = self.prepared {
            ready
        } else {
            made = self.branch.linears().map(Linear::forward_weight);
            &made
        };
        let jobs = self.jobs(rows, &mut output, &mut saved, trace.as_deref_mut());
        let largest: Vec<f32> = jobs
            .into_par_iter()
            .with_max_len(1)
            .zip(pieces)
            .map(|(job, piece)| {
                let x = part(x, h, piece);
                self.forward_piece(x, divisor, rows, piece, weights, job)
            })
            .collect();
        if let Some(ranks) = self.tensor {
            ranks.sum(&mut output);
            let jobs = self.jobs(rows, &mut output, &mut saved, trace);
            let jobs = jobs.into_par_iter().with_max_len(1).zip(pieces);
            jobs.for_each(|(job, piece)| {
                self.close_summed(part(x, h, piece), divisor, piece, job);
            });
        }
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
                read: Buffer::default(),
                divisors: [divisor, out_divisor],
            },
            max_attention_logit: largest.into_iter().fold(f32::NEG_INFINITY, larger_or_nan),
        }
    }

    /// The norm after the branch, where it waits for the branch of all pieces: their maximum divides what it
    /// reads.
    fn closes_apart(&self) -> Option<&Norm<'_>> {
        self.after.as_ref().filter(|_| self.relax)
    }

    fn forward_piece(
        &self,
        x: &[f32],
        divisor: Option<Divisor>,
        rows: &Rows,
        piece: &Range<usize>,
        weights: &[ForwardWeight; 2],
        mut job: ForwardPiece,
    ) -> f32 {
        let point = self.places.at(self.half.norm);
        let normed = self.before.map(|norm| {
            let read = relaxed(x, divisor, Store::new(point, Pass::Forward));
            self.normed(&norm, read.as_deref().unwrap_or(x))
        });
        let y = normed.as_deref().unwrap_or(x);
        let [first, second, _, raw] = &mut job.saved;
        let kept = [&mut **first, second, raw];
        let largest = (self.branch).forward(rows, piece, weights, y, kept, job.output);
        if self.tensor.is_none() {
            self.close_piece(x, normed, piece, job);
        }
        largest
    }

    /// The norm before the branch, of what it reads.
    fn normed(&self, norm: &Norm, read: &[f32]) -> Buffer {
        let mut y = Buffer::new(read.len());
        norm.forward(&mut y, read);
        store(&mut y, self.places.at(self.half.norm), Pass::Forward);
        y
    }

    /// What follows the branch, where its output is the sum over ranks.
    fn close_summed(
        &self,
        x: &[f32],
        divisor: Option<Divisor>,
        piece: &Range<usize>,
        job: ForwardPiece,
    ) {
        let [_, second] = self.branch.linears();
        if let Some(bias) = second.bias {
            job.output
                .chunks_exact_mut(bias.len())
                .for_each(|row| add(row, bias));
        }
        store(job.output, self.places.at(self.half.out), Pass::Forward);
        let normed = self.before.map(|norm| self.normed_again(&norm, x, divisor));
        self.close_piece(x, normed, piece, job);
    }

    /// What the branch read, computed again.
    fn normed_again(&self, norm: &Norm, x: &[f32], divisor: Option<Divisor>) -> Buffer {
        let point = self.places.at(self.half.norm);
        let read = relaxed(x, divisor, Store::again(point));
        let mut y = Buffer::new(x.len());
        norm.forward(&mut y, read.as_deref().unwrap_or(x));
        round_again(&mut y, point);
        y
    }

    /// Dropout and residual.
    fn close_piece(
        &self,
        x: &[f32],
        normed: Option<Buffer>,
        piece: &Range<usize>,
        job: ForwardPiece,
    ) {
        let (out, [_, _, branch, _]) = (job.output, job.saved);
        if let Some(mask) = self.dropout {
            mask.apply(piece.start, out);
            store(out, self.places.at(self.half.out), Pass::Forward);
        }
        if let Some([norm, result]) = job.trace {
            norm.copy_from_slice(normed.as_deref().unwrap_or_default());
            result.copy_from_slice(out);
        }
        match (self.residual, &self.after) {
            (Residual::Norm { .. }, _) => {
                let mut skip = normed.unwrap_or_else(|| Buffer::of(x));
                scale(&mut skip, self.alpha);
                store(&mut skip, self.places.at(self.half.skip), Pass::Forward);
                self.close(out, &skip);
            }
            (Residual::Stream { .. }, None) => self.close(out, x),
            (Residual::Stream { .. }, Some(norm)) => {
                branch.copy_from_slice(out);
                if self.closes_apart().is_none() {
                    self.close_normed(norm, x, branch, None, out);
                }
            }
        }
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
        let point = self.places.at(self.half.out_norm);
        let read = relaxed(branch, divisor, Store::new(point, Pass::Forward));
        norm.forward(out, read.as_deref().unwrap_or(branch));
        store(out, point, Pass::Forward);
        self.close(out, x);
    }

    /// Adds what goes past the branch.
    fn close(&self, out: &mut [f32], past: &[f32]) {
        add(out, past);
        store(out, self.places.at(self.half.sum), Pass::Forward);
    }
}
