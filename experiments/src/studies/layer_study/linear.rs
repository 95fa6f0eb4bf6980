//! A linear map whose weight gradient is looked at block by block and dropped.

use super::stats::{Pass, Recorder};
use kernels::{Buffer, Matrix, matmul};
use std::ops::Range;

/// Rows of a weight gradient that exist at one time.
pub(super) const BLOCK: usize = 512;

/// Columns of a right matrix that a product lays out for itself at one time.
pub(super) const COLUMNS: usize = 1024;

/// `y = x Wᵀ + b`, W stored `[out, in]` in the format of the pass.
pub(super) struct Linear {
    pub(super) name: String,
    pub(super) weight_oi: Vec<f32>,
    pub(super) bias_o: Option<Vec<f32>>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Linear {
    /// # Shapes
    /// - x: `[s, in]`
    /// - output: `[s, out]`, not rounded yet
    pub(super) fn forward(&self, x_si: &[f32], tokens: usize) -> Vec<f32> {
        let mut y_so = vec![0.0; tokens * self.outputs];
        let x = Matrix::new(x_si, tokens, self.inputs);
        product(&mut y_so, x, [tokens, self.outputs], |columns| {
            let rows = &self.weight_oi[columns.start * self.inputs..];
            Matrix::new(rows, columns.len(), self.inputs).transposed()
        });
        if let Some(bias_o) = &self.bias_o {
            for row in y_so.chunks_exact_mut(self.outputs) {
                row.iter_mut().zip(bias_o).for_each(|(y, b)| *y += b);
            }
        }
        y_so
    }

    /// Takes the statistics of the weight's and the bias's gradient; returns the input's gradient,
    /// `[s, in]`, not rounded yet.
    ///
    /// # Shapes
    /// - dy: `[s, out]`, x: `[s, in]`
    pub(super) fn backward(
        &self,
        dy_so: &[f32],
        x_si: &[f32],
        tokens: usize,
        recorder: &mut Recorder,
    ) -> Vec<f32> {
        let (name, x) = (
            format!("{}.weight", self.name),
            Matrix::new(x_si, tokens, self.inputs),
        );
        let mut gradient = vec![0.0; BLOCK.min(self.outputs) * self.inputs];
        for first in (0..self.outputs).step_by(BLOCK) {
            let rows = BLOCK.min(self.outputs - first);
            let block = &mut gradient[..rows * self.inputs];
            let dy = Matrix::strided(&dy_so[first..], tokens, rows, self.outputs);
            matmul(block, dy.transposed(), x);
            recorder.store(&name, Pass::WeightGradient, block);
        }
        drop(gradient);
        if self.bias_o.is_some() {
            let mut sums = vec![0.0; self.outputs];
            for row in dy_so.chunks_exact(self.outputs) {
                sums.iter_mut().zip(row).for_each(|(sum, g)| *sum += g);
            }
            let name = format!("{}.bias", self.name);
            recorder.store(&name, Pass::WeightGradient, &mut sums);
        }
        let mut dx_si = vec![0.0; tokens * self.inputs];
        let dy = Matrix::new(dy_so, tokens, self.outputs);
        product(&mut dx_si, dy, [tokens, self.inputs], |columns| {
            let values = &self.weight_oi[columns.start..];
            Matrix::strided(values, self.outputs, columns.len(), self.inputs)
        });
        dx_si
    }
}

/// `out = a b` with the columns of b block by block: a product lays its right matrix out for itself, and a
/// second copy of a weight is what a slice has no room for. `block` gives some of b's columns.
///
/// # Shapes
/// - a: `[rows, k]`, b: `[k, width]`, out: `[rows, width]`
fn product<'a>(
    out: &mut [f32],
    a: Matrix,
    [rows, width]: [usize; 2],
    block: impl Fn(Range<usize>) -> Matrix<'a>,
) {
    let mut part = vec![0.0; rows * COLUMNS.min(width)];
    for first in (0..width).step_by(COLUMNS) {
        let columns = first..(first + COLUMNS).min(width);
        let part = &mut part[..rows * columns.len()];
        matmul(part, a, block(columns.clone()));
        let out = out.chunks_exact_mut(width);
        for (row, values) in out.zip(part.chunks_exact(columns.len())) {
            row[columns.clone()].copy_from_slice(values);
        }
    }
    // The next product has other shapes.
    Buffer::free_pool();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks one way and two the other, the last of each shorter.
    #[test]
    fn blocks_change_no_bit() {
        let (tokens, inputs, outputs) = (5, 2 * COLUMNS + 3, COLUMNS + 7);
        let values = |len, step: f32| -> Vec<f32> {
            let value = |i| (i as f32 * step).sin();
            (0..len).map(value).collect()
        };
        let linear = Linear {
            name: "linear".to_owned(),
            weight_oi: values(outputs * inputs, 0.7),
            bias_o: None,
            inputs,
            outputs,
        };
        let (x, dy) = (values(tokens * inputs, 0.3), values(tokens * outputs, 0.2));
        let weight = Matrix::new(&linear.weight_oi, outputs, inputs);
        let mut expected = vec![0.0; tokens * outputs];
        let rows = Matrix::new(&x, tokens, inputs);
        matmul(&mut expected, rows, weight.transposed());
        assert_eq!(linear.forward(&x, tokens), expected);
        let mut expected = vec![0.0; tokens * inputs];
        matmul(&mut expected, Matrix::new(&dy, tokens, outputs), weight);
        let mut recorder = Recorder::new(None);
        assert_eq!(linear.backward(&dy, &x, tokens, &mut recorder), expected);
    }
}
