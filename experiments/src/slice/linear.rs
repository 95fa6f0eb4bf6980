//! A linear map whose weight gradient is looked at block by block and dropped.

use super::stats::{Pass, Recorder};
use kernels::{Matrix, matmul};

/// Rows of a weight gradient that exist at one time.
pub(super) const BLOCK: usize = 512;

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
        let weight = Matrix::new(&self.weight_oi, self.outputs, self.inputs);
        let x = Matrix::new(x_si, tokens, self.inputs);
        matmul(&mut y_so, x, weight.transposed());
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
        let weight = Matrix::new(&self.weight_oi, self.outputs, self.inputs);
        matmul(&mut dx_si, Matrix::new(dy_so, tokens, self.outputs), weight);
        dx_si
    }
}
