//! On slices, forward and backward by hand.

use super::function::{values, values_and_slopes};
use crate::layers::context::host::Context;
use crate::layers::residual::FEED_FORWARD;
use crate::layers::residual::host::{Branch, second_map};
use crate::layers::rows::Rows;
use crate::numerics::precision::{At, Places};
use experiments_config::Activation;
use kernels::slices::rows::{multiply, product};
use kernels::slices::{ForwardWeight, Linear, NormGradient};
use kernels::{Buffer, Pass, Prepared, Store, round_again, store};
use std::ops::Range;

/// The feed-forward of one layer.
pub(crate) struct FeedForward<'a> {
    /// `[2f, h]` with a gate, `[f, h]` without.
    pub(super) up: Linear<'a>,
    /// `[h, f]`
    pub(super) down: Linear<'a>,
    /// Stated, since two shapes that happen to fit say nothing of what was meant.
    pub(super) activation: Activation,
    pub(super) places: Places<'a>,
    /// Whether ranks share both maps.
    pub(super) is_split: bool,
}

impl<'a> FeedForward<'a> {
    pub(crate) fn new(context: &'a Context<'a>, layer: usize) -> Self {
        let linear = |part: &str| {
            let name = format!("layers.{layer}.{}.{part}", FEED_FORWARD.name);
            context.weights.linear(&name)
        };
        Self {
            up: linear("up"),
            down: linear("down"),
            activation: *context.config.model.ffn.row(),
            places: context.precision.layer(layer),
            is_split: context.tensor.is_some(),
        }
    }

    fn gate(&self, up: &[f32], inner: &mut [f32]) {
        let (f, function) = (self.down.inputs, self.activation.function);
        let mut counts =
            [At::Gelu, At::Glu].map(|at| Store::new(self.places.at(at), Pass::Forward));
        for (inner, up) in inner.chunks_exact_mut(f).zip(up.chunks_exact(2 * f)) {
            let (value, gate) = up.split_at(f);
            values(function, gate, inner);
            counts[0].piece(inner);
            multiply(inner, value);
            counts[1].piece(inner);
        }
    }

    fn gate_backward(&self, dinner: &[f32], up: &[f32], dup: &mut [f32], inner: &mut [f32]) {
        let (f, function) = (self.down.inputs, self.activation.function);
        let mut counts = Store::new(self.places.at(At::Gelu), Pass::Backward);
        let mut slope = Buffer::new(f);
        let rows = up.chunks_exact(2 * f).zip(dup.chunks_exact_mut(2 * f));
        let inner_rows = inner.chunks_exact_mut(f).zip(dinner.chunks_exact(f));
        for ((up, dup), (inner, dinner)) in rows.zip(inner_rows) {
            let (value, gate) = up.split_at(f);
            let (dvalue, dgate) = dup.split_at_mut(f);
            values_and_slopes(function, gate, inner, &mut slope);
            round_again(inner, self.places.at(At::Gelu));
            product(dvalue, dinner, inner);
            product(dgate, dinner, value);
            counts.piece(dgate);
            multiply(dgate, &slope);
            multiply(inner, value);
            round_again(inner, self.places.at(At::Glu));
        }
    }
}

impl Branch for FeedForward<'_> {
    fn linears(&self) -> [&Linear<'_>; 2] {
        [&self.up, &self.down]
    }

    fn kept_widths(&self) -> [usize; 2] {
        [0, 0]
    }

    fn head_norm_width(&self) -> usize {
        0
    }

    /// Keeps the first map's output, `[r, 2f]` or `[r, f]`, and the second map's input `[r, f]` where there is room for it.
    ///
    /// # Panics
    /// If the linear maps do not fit the activation.
    fn forward(
        &self,
        rows: &Rows,
        _piece: &Range<usize>,
        weights: &[ForwardWeight; 2],
        y: &[f32],
        [up, second, _]: [&mut [f32]; 3],
        out: &mut [f32],
    ) -> f32 {
        let f = self.down.inputs;
        assert_eq!(self.up.outputs, self.activation.inputs() * f);
        self.up.forward(&weights[0], up, y, rows.alone());
        store(up, self.places.at(At::Up), Pass::Forward);
        let mut inner = Buffer::new(up.len() / self.up.outputs * f);
        if self.activation.is_gated {
            self.gate(up, &mut inner);
        } else {
            values(self.activation.function, up, &mut inner);
            store(&mut inner, self.places.at(At::Gelu), Pass::Forward);
        }
        if !second.is_empty() {
            second.copy_from_slice(&inner);
        }
        let point = self.places.at(At::Down);
        let how = (point, self.is_split);
        second_map(&self.down, &weights[1], &inner, out, rows, how);
        f32::NEG_INFINITY
    }

    fn backward(
        &self,
        rows: &Rows,
        piece: &Range<usize>,
        down: &Prepared,
        [d, up, _]: [&[f32]; 3],
        dup: &mut [f32],
        _head_norms: [NormGradient; 2],
    ) -> Option<Buffer> {
        let mut inner = Buffer::new(piece.len() * self.down.inputs);
        let mut dinner = Buffer::new(inner.len());
        self.down.backward(down, &mut dinner, d, rows.alone());
        if self.activation.is_gated {
            store(&mut dinner, self.places.at(At::Glu), Pass::Backward);
            self.gate_backward(&dinner, up, dup, &mut inner);
        } else {
            store(&mut dinner, self.places.at(At::Gelu), Pass::Backward);
            values_and_slopes(self.activation.function, up, &mut inner, dup);
            round_again(&mut inner, self.places.at(At::Gelu));
            multiply(dup, &dinner);
        }
        store(dup, self.places.at(At::Up), Pass::Backward);
        Some(inner)
    }
}
