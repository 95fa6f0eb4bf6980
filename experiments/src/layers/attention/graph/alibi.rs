//! What `ALiBi` takes off the scores.

use super::super::slopes;
use crate::data::Batch;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

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
