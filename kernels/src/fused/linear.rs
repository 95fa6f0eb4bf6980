//! Linear maps and their weight gradients.

use super::rows::{add_to_rows, sum_rows};
use super::spread::{cut, pieces};
use crate::matmul::{Matrix, MatrixMut, Onto, matmul, matmul_here};
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
    /// `alone` says that the calling thread has all rows, and so may share the product with others.
    pub(super) fn forward(&self, y: &mut [f32], x: &[f32], alone: bool) {
        let rows = x.len() / self.inputs;
        let x = Matrix::new(x, rows, self.inputs);
        let weight = Matrix::new(self.weight, self.outputs, self.inputs).transposed();
        multiply(y, x, weight, alone);
        if let Some(bias) = self.bias {
            add_to_rows(y, bias);
        }
    }

    /// The gradient of the input: `dx = dy W`.
    pub(super) fn backward(&self, dx: &mut [f32], dy: &[f32], alone: bool) {
        let rows = dy.len() / self.outputs;
        let dy = Matrix::new(dy, rows, self.outputs);
        let weight = Matrix::new(self.weight, self.outputs, self.inputs);
        multiply(dx, dy, weight, alone);
    }

    /// Adds the bias's gradient to `bias`: the sum over rows.
    pub(super) fn bias_gradient(&self, bias: &mut [f32], dy: &[f32]) {
        if self.bias.is_some() {
            sum_rows(bias, dy);
        }
    }
}

fn multiply(out: &mut [f32], a: Matrix, b: Matrix, alone: bool) {
    if alone {
        matmul(out, a, b);
    } else {
        matmul_here(
            MatrixMut::new(out, a.rows(), b.columns()),
            a,
            b,
            Onto::Nothing,
        );
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
    let mut jobs = Vec::new();
    for gradient in gradients {
        let WeightGradient {
            out,
            dy,
            x,
            outputs,
            inputs,
        } = gradient;
        // Quarters, but not so low that a product spends its time on packing `x`.
        let step = outputs.div_ceil(4).clamp(32, 256);
        let pieces = pieces(outputs, step);
        let parts = cut(out, inputs, &pieces);
        jobs.extend(
            pieces
                .into_iter()
                .zip(parts)
                .map(|(piece, part)| (piece, part, dy, x, outputs, inputs)),
        );
    }
    jobs.into_par_iter()
        .with_max_len(1)
        .for_each(|(piece, part, dy, x, outputs, inputs)| {
            let rows = x.len() / inputs;
            let dy = Matrix::strided(&dy[piece.start..], rows, piece.len(), outputs).transposed();
            let out = MatrixMut::new(part, piece.len(), inputs);
            matmul_here(out, dy, Matrix::new(x, rows, inputs), Onto::Nothing);
        });
}
