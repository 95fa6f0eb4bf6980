//! Feed-forward with or without a gate.

use super::linear::Linear;
use super::rows::{gelu, gelu_and_slope, multiply, product};
use super::spread::Rows;
use crate::matmul::Prepared;
use crate::range::{Pass, Store, round_again, store};
use crate::{Buffer, Rounding};

/// An elementwise function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `x Φ(x)`, exact.
    Gelu,
}

impl Function {
    /// `y = function(x)`
    fn values(self, x: &[f32], y: &mut [f32]) {
        match self {
            Self::Gelu => gelu(x, y),
        }
    }

    /// The same, and its derivative.
    fn values_and_slopes(self, x: &[f32], y: &mut [f32], slopes: &mut [f32]) {
        match self {
            Self::Gelu => gelu_and_slope(x, y, slopes),
        }
    }
}

/// What stands between both linear maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// `x₁ ⊙ function(x₂)` with `[x₁, x₂] = x W_up` (arXiv 2002.05202) instead of `function(x W_up)`.
    pub is_gated: bool,
    /// The function.
    pub function: Function,
}

impl Activation {
    /// Values of the first linear map's output that make one of the second's input.
    fn inputs(self) -> usize {
        if self.is_gated { 2 } else { 1 }
    }
}

/// Two linear maps with an activation between them.
#[derive(Debug)]
pub struct FeedForward<'a> {
    /// `[2f, h]` with a gate, `[f, h]` without.
    pub up: Linear<'a>,
    /// `[h, f]`
    pub down: Linear<'a>,
    /// Stated, since two shapes that happen to fit say nothing of what was meant.
    pub activation: Activation,
    /// Where values are rounded.
    pub points: FeedForwardPoints,
}

/// Rounding points of feed-forward; absent points round nothing.
#[derive(Debug, Default)]
pub struct FeedForwardPoints {
    /// Output of the first linear map.
    pub up: Option<Rounding>,
    /// Output of the function.
    pub gelu: Option<Rounding>,
    /// Output of the gate.
    pub glu: Option<Rounding>,
    /// Output of the second linear map.
    pub down: Option<Rounding>,
}

impl FeedForward<'_> {
    /// One piece forward. Fills `up` `[r, 2f]` or `[r, f]`, which the backward pass keeps, and the
    /// output `[r, h]`. `weights` are those of both linear maps.
    ///
    /// # Panics
    /// If the linear maps do not fit the activation.
    pub(super) fn forward(
        &self,
        rows: &Rows,
        weights: &[Prepared; 2],
        y: &[f32],
        up: &mut [f32],
        out: &mut [f32],
    ) {
        let f = self.down.inputs;
        assert_eq!(self.up.outputs, self.activation.inputs() * f);
        self.up.forward(&weights[0], up, y, rows.alone());
        store(up, self.points.up.as_ref(), Pass::Forward);
        let mut inner = Buffer::new(up.len() / self.up.outputs * f);
        if self.activation.is_gated {
            self.gate(up, &mut inner);
        } else {
            self.activation.function.values(up, &mut inner);
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
        if self.activation.is_gated {
            store(&mut dinner, self.points.glu.as_ref(), Pass::Backward);
            self.gate_backward(&dinner, up, dup, inner);
        } else {
            store(&mut dinner, self.points.gelu.as_ref(), Pass::Backward);
            let function = self.activation.function;
            function.values_and_slopes(up, inner, dup);
            round_again(inner, self.points.gelu.as_ref());
            multiply(dup, &dinner);
        }
        store(dup, self.points.up.as_ref(), Pass::Backward);
    }

    fn gate(&self, up: &[f32], inner: &mut [f32]) {
        let (f, function) = (self.down.inputs, self.activation.function);
        let mut counts = [&self.points.gelu, &self.points.glu]
            .map(|point| Store::new(point.as_ref(), Pass::Forward));
        for (inner, up) in inner.chunks_exact_mut(f).zip(up.chunks_exact(2 * f)) {
            let (value, gate) = up.split_at(f);
            function.values(gate, inner);
            counts[0].piece(inner);
            multiply(inner, value);
            counts[1].piece(inner);
        }
    }

    fn gate_backward(&self, dinner: &[f32], up: &[f32], dup: &mut [f32], inner: &mut [f32]) {
        let (f, function) = (self.down.inputs, self.activation.function);
        let mut counts = Store::new(self.points.gelu.as_ref(), Pass::Backward);
        let mut slope = Buffer::new(f);
        let rows = up.chunks_exact(2 * f).zip(dup.chunks_exact_mut(2 * f));
        let inner_rows = inner.chunks_exact_mut(f).zip(dinner.chunks_exact(f));
        for ((up, dup), (inner, dinner)) in rows.zip(inner_rows) {
            let (value, gate) = up.split_at(f);
            let (dvalue, dgate) = dup.split_at_mut(f);
            function.values_and_slopes(gate, inner, &mut slope);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::Positions;

    const WIDTH: usize = 3;
    const GEGLU: Activation = Activation {
        is_gated: true,
        function: Function::Gelu,
    };
    const GELU: Activation = Activation {
        is_gated: false,
        ..GEGLU
    };

    /// Output of a feed-forward with first matrix `[up, 3]` and second `[3, down]`, of one row.
    fn output(activation: Activation, up: usize, down: usize) -> Vec<f32> {
        let values: Vec<f32> = (0..40).map(|i| ((i * i) as f32).sin()).collect();
        let linear = |inputs, outputs| Linear {
            weight: &values[..inputs * outputs],
            bias: None,
            inputs,
            outputs,
        };
        let ffn = FeedForward {
            up: linear(WIDTH, up),
            down: linear(down, WIDTH),
            activation,
            points: FeedForwardPoints::default(),
        };
        let rows = Rows::new(1, vec![0..1; 1], Positions::default());
        let weights = [&ffn.up, &ffn.down].map(Linear::forward_weight);
        let (mut kept, mut out) = (vec![0.0; up], vec![0.0; WIDTH]);
        ffn.forward(&rows, &weights, &values[..WIDTH], &mut kept, &mut out);
        out
    }

    #[test]
    fn shapes_that_fit_the_activation_are_computed_by_it() {
        assert_ne!(output(GEGLU, 8, 4), [0.0; WIDTH]);
        assert_ne!(output(GELU, 4, 4), [0.0; WIDTH]);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_gate_is_not_taken_for_granted_where_the_shapes_have_room_for_one() {
        let _ = output(GELU, 8, 4);
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_gate_that_does_not_fit_is_not_left_out() {
        let _ = output(GEGLU, 4, 4);
    }
}
