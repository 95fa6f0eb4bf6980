//! Attention with linear biases (arXiv 2108.12409).

use crate::data::Batch;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// The slope of every head: `2^(-8(k+1)/n)` where n is a power of two, otherwise those of the power
/// of two below, filled up with every second slope of the one above (the paper's published code).
pub(crate) fn slopes(heads: usize) -> Vec<f64> {
    let geometric = |n: usize| (0..n).map(move |k| (-8.0 * (k + 1) as f64 / n as f64).exp2());
    if heads.is_power_of_two() {
        return geometric(heads).collect();
    }
    let below = heads.next_power_of_two() / 2;
    let between = geometric(2 * below).step_by(2).take(heads - below);
    geometric(below).chain(between).collect()
}

/// Penalties `slope · |p_i - p_j|` by position id, `[b, n, s, s]`: a prefix is read in both
/// directions, so distance has no sign.
pub(crate) fn penalties<B: Backend>(
    batch: &Batch,
    heads: usize,
    device: &B::Device,
) -> Tensor<B, 4> {
    let s = batch.samples[0].positions.len();
    let slopes = slopes(heads);
    let mut values = Vec::with_capacity(batch.samples.len() * heads * s * s);
    for sample in &batch.samples {
        for slope in &slopes {
            for from in &sample.positions {
                let distances = sample.positions.iter().map(|to| from.abs_diff(*to));
                values.extend(distances.map(|d| (slope * f64::from(d)) as f32));
            }
        }
    }
    let shape = [batch.samples.len(), heads, s, s];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::slopes;

    #[test]
    fn slopes_are_those_of_the_paper() {
        let eight: Vec<f64> = (1..=8).map(|k| 0.5_f64.powi(k)).collect();
        assert_eq!(slopes(8), eight, "2108.12409 §3");
        assert_eq!(slopes(2), [0.0625, 0.003_906_25]);
        // Three heads: those of two, then the first of four.
        assert_eq!(slopes(3), [0.0625, 0.003_906_25, 0.25]);
    }
}
