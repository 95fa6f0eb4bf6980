//! Linear maps and their weight gradients.

use super::rows::{add_to_rows, sum_rows};
use super::spread::{cut, pieces};
use crate::matmul::{Matrix, Prepared};
use rayon::prelude::*;

/// `y = x Wᵀ + b`
#[derive(Debug, Clone, Copy)]
pub struct Linear<'a> {
    /// `[outputs, inputs]`
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `y`.
    pub outputs: usize,
}

/// Where the gradients of a linear map go: they overwrite the weight's and are added to the bias's.
#[derive(Debug)]
pub struct LinearGradient<'a> {
    /// `[outputs, inputs]`
    pub weight: &'a mut [f32],
    /// `[outputs]`
    pub bias: Option<&'a mut [f32]>,
}

impl Linear<'_> {
    /// `Wᵀ`, ready for the products of a forward pass.
    pub(super) fn forward_weight(&self) -> Prepared<'_> {
        Prepared::new(self.matrix().transposed())
    }

    /// `W`, ready for the products of a backward pass.
    pub(super) fn backward_weight(&self) -> Prepared<'_> {
        Prepared::new(self.matrix())
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix::new(self.weight, self.outputs, self.inputs)
    }

    /// `alone` says that the calling thread has all rows, and so may share the product with others.
    pub(super) fn forward(&self, weight: &Prepared, y: &mut [f32], x: &[f32], alone: bool) {
        let rows = x.len() / self.inputs;
        multiply(y, Matrix::new(x, rows, self.inputs), weight, alone);
        if let Some(bias) = self.bias {
            add_to_rows(y, bias);
        }
    }

    /// The gradient of the input: `dx = dy W`.
    pub(super) fn backward(&self, weight: &Prepared, dx: &mut [f32], dy: &[f32], alone: bool) {
        let rows = dy.len() / self.outputs;
        multiply(dx, Matrix::new(dy, rows, self.outputs), weight, alone);
    }

    /// Adds the bias's gradient to `bias`: the sum over rows.
    pub(super) fn bias_gradient(&self, bias: &mut [f32], dy: &[f32]) {
        if self.bias.is_some() {
            sum_rows(bias, dy);
        }
    }
}

fn multiply(out: &mut [f32], a: Matrix, b: &Prepared, alone: bool) {
    if alone {
        b.matmul(out, a);
    } else {
        b.matmul_here(out, a);
    }
}

/// One weight gradient `dW = dyᵀ x` over all rows.
pub(super) struct WeightGradient<'a> {
    /// `[outputs, inputs]`
    pub(super) out: &'a mut [f32],
    /// `[rows, outputs]`
    pub(super) dy: &'a [f32],
    /// `[rows, inputs]`
    pub(super) x: &'a [f32],
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

/// Computes weight gradients, each in pieces of its own rows.
pub(super) fn weight_gradients<const N: usize>(gradients: [WeightGradient; N]) {
    let prepared = gradients.each_ref().map(|gradient| {
        let rows = gradient.x.len() / gradient.inputs;
        Prepared::new(Matrix::new(gradient.x, rows, gradient.inputs))
    });
    let mut jobs = Vec::new();
    for (gradient, x) in gradients.into_iter().zip(&prepared) {
        let WeightGradient {
            out,
            dy,
            outputs,
            inputs,
            ..
        } = gradient;
        // Quarters, but not too low, in whole tiles.
        let step = outputs.div_ceil(4).clamp(36, 256).next_multiple_of(12);
        let pieces = pieces(outputs, step);
        let parts = cut(out, inputs, &pieces);
        jobs.extend(
            pieces
                .into_iter()
                .zip(parts)
                .map(|(piece, part)| (piece, part, dy, x, outputs)),
        );
    }
    jobs.into_par_iter()
        .with_max_len(1)
        .for_each(|(piece, part, dy, x, outputs)| {
            let rows = dy.len() / outputs;
            let dy = Matrix::strided(&dy[piece.start..], rows, piece.len(), outputs).transposed();
            x.matmul_here(part, dy);
        });
}
