//! Multi-head attention with a bidirectional prefix: `softmax(q kᵀ / √d - penalties) v`, heads side by side, between
//! two linear maps.

pub(crate) mod graph;
pub(crate) mod host;
mod scale;
#[cfg(test)]
mod tests;

use crate::data::objective::Sample;
use experiments_config::Ids;

pub(crate) use scale::ScoreScale;

/// Value of forbidden scores (`LargeScale` `fused_softmax.py`; not -inf).
pub(crate) const FORBIDDEN: f32 = -10_000.0;

/// Query, key and value by their place in the QKV matrix.
const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;

/// The norms of the query's and the key's heads, with `model.qk_norm`.
pub(crate) const HEAD_NORMS: [&str; 2] = ["query_norm", "key_norm"];

/// Where a sample has ids of a kind.
pub(crate) fn ids_of(ids: Ids) -> fn(&Sample) -> &Vec<u32> {
    match ids {
        Ids::Position => |sample| &sample.positions,
        Ids::Span => |sample| &sample.block_positions,
    }
}

/// Frequencies `base^(-2i/w)` of rotary positions in a block of `w` dimensions (arXiv 2104.09864), `w/2` of them.
pub(crate) fn frequencies(base: f64, width: usize) -> impl Iterator<Item = f64> + Clone {
    (0..width / 2).map(move |i| base.powf(-2.0 * i as f64 / width as f64))
}

/// The slope of every head of `ALiBi` (arXiv 2108.12409): `2^(-8(k+1)/n)` where n is a power of two, otherwise those of
/// the power of two below, filled up with every second slope of the one above (the paper's published code).
fn slopes(heads: usize) -> Vec<f64> {
    let geometric = |n: usize| (0..n).map(move |k| (-8.0 * (k + 1) as f64 / n as f64).exp2());
    if heads.is_power_of_two() {
        return geometric(heads).collect();
    }
    let below = heads.next_power_of_two() / 2;
    let between = geometric(2 * below).step_by(2).take(heads - below);
    geometric(below).chain(between).collect()
}
