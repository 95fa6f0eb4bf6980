//! What `ALiBi` takes off the scores.

use super::super::slopes;
use crate::layers::input::{Table, Tables};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};

/// Penalties `slope · |p_i - p_j|` by position ids `[b·s]`, all below `distances`, as `[b, n, s, s]`: a prefix is read in
/// both directions, so distance has no sign.
pub(crate) fn penalties<B: Backend>(
    tables: &Tables<B>,
    positions: &Tensor<B, 1, Int>,
    [b, s]: [usize; 2],
    heads: usize,
    distances: usize,
) -> Tensor<B, 4> {
    let of_slope = |slope: f64| (0..distances).map(move |far| (slope * far as f64) as f32);
    let table = || slopes(heads).into_iter().flat_map(of_slope).collect();
    let table = tables.get(Table::Penalties, [heads, distances], table);
    let (from, to) = (
        positions.clone().reshape([b, s, 1]).expand([b, s, s]),
        positions.clone().reshape([b, 1, s]).expand([b, s, s]),
    );
    let apart = (from - to).abs().reshape([b * s * s]);
    let penalties = table.select(1, apart).reshape([heads, b, s, s]);
    penalties.swap_dims(0, 1)
}
