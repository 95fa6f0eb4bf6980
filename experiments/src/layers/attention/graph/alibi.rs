//! What `ALiBi` takes off the scores.

use super::super::slopes;
use crate::data::Batch;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::bus;

/// Penalties `slope · |p_i - p_j|` by position id, `[b, n, s, s]`: a prefix is read in both
/// directions, so distance has no sign.
pub(crate) fn penalties<B: Backend>(
    batch: &Batch,
    heads: usize,
    device: &B::Device,
) -> Tensor<B, 4> {
    let (b, s) = (batch.samples.len(), batch.samples[0].positions.len());
    let positions = batch.samples.iter().flat_map(|sample| &sample.positions);
    let positions: Vec<i32> = positions.map(|position| *position as i32).collect();
    let distances = positions.iter().max().map_or(1, |largest| largest + 1);
    let slopes = slopes(heads);
    let of_slope = |slope: &f64| {
        let slope = *slope;
        (0..distances).map(move |distance| (slope * f64::from(distance)) as f32)
    };
    let table = slopes.iter().flat_map(of_slope).collect();
    let table = bus::send::<B, 2>(table, [heads, distances as usize], device);
    let positions = bus::send_integers::<B, 1>(positions, [b * s], device);
    let (from, to) = (
        positions.clone().reshape([b, s, 1]).expand([b, s, s]),
        positions.reshape([b, 1, s]).expand([b, s, s]),
    );
    let apart = (from - to).abs().reshape([b * s * s]);
    let penalties = table.select(1, apart).reshape([heads, b, s, s]);
    penalties.swap_dims(0, 1)
}
