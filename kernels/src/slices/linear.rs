//! Linear maps and their weight gradients.

use super::rows::{add_to_rows, sum_rows};
use crate::codes::{Codes, codes_product};
use crate::matmul::{Matrix, MatrixMut, Onto, Prepared, matmul, matmul_here};

/// `y = x Wᵀ + b`
#[derive(Debug, Clone, Copy)]
pub struct Linear<'a> {
    /// `[outputs, inputs]`; empty where it is in codes, which a [`ForwardWeight`] has.
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
    /// Width of `x`.
    pub inputs: usize,
    /// Width of `y`.
    pub outputs: usize,
}

/// A weight, ready for the products of forward passes.
#[derive(Debug)]
pub enum ForwardWeight<'a> {
    /// `Wᵀ` in FP32.
    Values(Prepared<'a>),
    /// `W` in codes, which are multiplied as they lie.
    Codes(Codes<'a>),
}

/// Where the gradients of a linear map go: they overwrite the weight's and are added to the bias's.
#[derive(Debug)]
pub struct LinearGradient<'a> {
    /// `[outputs, inputs]`
    pub weight: &'a mut [f32],
    /// `[outputs]`
    pub bias: Option<&'a mut [f32]>,
}

impl<'a> Linear<'a> {
    /// `Wᵀ`, ready for the products of a forward pass.
    #[must_use]
    pub fn forward_weight(&self) -> ForwardWeight<'a> {
        ForwardWeight::Values(Prepared::new(self.matrix().transposed()))
    }

    /// `W`, ready for the products of a backward pass.
    #[must_use]
    pub fn backward_weight(&self) -> Prepared<'a> {
        Prepared::new(self.matrix())
    }

    fn matrix(&self) -> Matrix<'a> {
        Matrix::new(self.weight, self.outputs, self.inputs)
    }

    /// `alone` says that the calling thread has all rows, and so may share the product with others.
    pub fn forward(&self, weight: &ForwardWeight, y: &mut [f32], x: &[f32], alone: bool) {
        let rows = x.len() / self.inputs;
        match weight {
            ForwardWeight::Values(weight) => {
                multiply(y, Matrix::new(x, rows, self.inputs), weight, alone);
            }
            ForwardWeight::Codes(codes) => codes_product(y, x, codes),
        }
        if let Some(bias) = self.bias {
            add_to_rows(y, bias);
        }
    }

    /// The gradient of the input: `dx = dy W`.
    pub fn backward(&self, weight: &Prepared, dx: &mut [f32], dy: &[f32], alone: bool) {
        let rows = dy.len() / self.outputs;
        multiply(dx, Matrix::new(dy, rows, self.outputs), weight, alone);
    }

    /// The gradient of the input, or its sum with what `dx` holds, of one product with the weight.
    pub fn backward_onto(&self, dx: &mut [f32], dy: &[f32], onto: Onto) {
        let rows = dy.len() / self.outputs;
        let dy = Matrix::new(dy, rows, self.outputs);
        matmul_here(
            MatrixMut::new(dx, rows, self.inputs),
            dy,
            self.matrix(),
            onto,
        );
    }

    /// The gradient of the weight, `dW = dyᵀ x`, or its sum with what `out` holds.
    pub fn weight_gradient(&self, out: &mut [f32], dy: &[f32], x: &[f32], onto: Onto, alone: bool) {
        let rows = dy.len() / self.outputs;
        let dy = Matrix::new(dy, rows, self.outputs).transposed();
        let x = Matrix::new(x, rows, self.inputs);
        if alone && onto == Onto::Nothing {
            matmul(out, dy, x);
        } else {
            matmul_here(MatrixMut::new(out, self.outputs, self.inputs), dy, x, onto);
        }
    }

    /// Adds the bias's gradient to `bias`: the sum over rows.
    pub fn bias_gradient(&self, bias: &mut [f32], dy: &[f32]) {
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
