//! Feed-forward with or without a gate.

use super::linear::Linear;
use super::rows::{gelu, gelu_and_slope, multiply, product};
use super::spread::Rows;
use crate::matmul::Prepared;
use crate::range::{Pass, Store, round_again, store};
use crate::{Buffer, Rounding};

/// `(x₁ ⊙ GELU(x₂)) W_down` with `[x₁, x₂] = x W_up` (GeGLU, arXiv 2002.05202), or
/// `GELU(x W_up) W_down`; GELU is exact.
#[derive(Debug)]
pub struct FeedForward<'a> {
    /// `[2f, h]` with a gate, else `[f, h]`.
    pub up: Linear<'a>,
    /// `[h, f]`
    pub down: Linear<'a>,
    /// Where values are rounded.
    pub points: FeedForwardPoints,
}

/// Rounding points of feed-forward; absent points round nothing.
#[derive(Debug, Default)]
pub struct FeedForwardPoints {
    /// Output of the first linear map.
    pub up: Option<Rounding>,
    /// Output of GELU.
    pub gelu: Option<Rounding>,
    /// Output of the gate.
    pub glu: Option<Rounding>,
    /// Output of the second linear map.
    pub down: Option<Rounding>,
}

impl FeedForward<'_> {
    fn gated(&self) -> bool {
        self.up.outputs == 2 * self.down.inputs
    }

    /// One piece forward. Fills `up` `[r, 2f]` or `[r, f]`, which the backward pass keeps, and the
    /// output `[r, h]`. `weights` are those of both linear maps.
    pub(super) fn forward(
        &self,
        rows: &Rows,
        weights: &[Prepared; 2],
        y: &[f32],
        up: &mut [f32],
        out: &mut [f32],
    ) {
        let f = self.down.inputs;
        self.up.forward(&weights[0], up, y, rows.alone());
        store(up, self.points.up.as_ref(), Pass::Forward);
        let mut inner = Buffer::new(up.len() / self.up.outputs * f);
        if self.gated() {
            let mut counts = [&self.points.gelu, &self.points.glu]
                .map(|point| Store::new(point.as_ref(), Pass::Forward));
            for (inner, up) in inner.chunks_exact_mut(f).zip(up.chunks_exact(2 * f)) {
                let (value, gate) = up.split_at(f);
                gelu(gate, inner);
                counts[0].piece(inner);
                multiply(inner, value);
                counts[1].piece(inner);
            }
        } else {
            gelu(up, &mut inner);
            store(&mut inner, self.points.gelu.as_ref(), Pass::Forward);
        }
        self.down.forward(&weights[1], out, &inner, rows.alone());
        store(out, self.points.down.as_ref(), Pass::Forward);
    }

    /// One piece backward, from the gradient `d` `[r, h]` of the output to that of the first linear
    /// map's output, `dup`; `inner` `[r, f]` is filled with the second map's input. `down` is the second
    /// map's weight.
    pub(super) fn backward(
        &self,
        rows: &Rows,
        down: &Prepared,
        d: &[f32],
        up: &[f32],
        dup: &mut [f32],
        inner: &mut [f32],
    ) {
        let mut dinner = Buffer::new(inner.len());
        self.down.backward(down, &mut dinner, d, rows.alone());
        if self.gated() {
            store(&mut dinner, self.points.glu.as_ref(), Pass::Backward);
            self.gate_backward(&dinner, up, dup, inner);
        } else {
            store(&mut dinner, self.points.gelu.as_ref(), Pass::Backward);
            gelu_and_slope(up, inner, dup);
            round_again(inner, self.points.gelu.as_ref());
            multiply(dup, &dinner);
        }
        store(dup, self.points.up.as_ref(), Pass::Backward);
    }

    fn gate_backward(&self, dinner: &[f32], up: &[f32], dup: &mut [f32], inner: &mut [f32]) {
        let f = self.down.inputs;
        let mut counts = Store::new(self.points.gelu.as_ref(), Pass::Backward);
        let mut slope = Buffer::new(f);
        let rows = up.chunks_exact(2 * f).zip(dup.chunks_exact_mut(2 * f));
        let inner_rows = inner.chunks_exact_mut(f).zip(dinner.chunks_exact(f));
        for ((up, dup), (inner, dinner)) in rows.zip(inner_rows) {
            let (value, gate) = up.split_at(f);
            let (dvalue, dgate) = dup.split_at_mut(f);
            gelu_and_slope(gate, inner, &mut slope);
            round_again(inner, self.points.gelu.as_ref());
            product(dvalue, dinner, inner);
            product(dgate, dinner, value);
            counts.piece(dgate);
            multiply(dgate, &slope);
            multiply(inner, value);
            round_again(inner, self.points.glu.as_ref());
        }
    }
}
