//! Biases against their specification.

use super::{Agreement, Both, Draw, REORDERED, on_cpu};
use crate::{Kernels, bias};
use burn_flex::Flex;

/// Rows of so many runs with their biases, and the gradients of these.
pub(super) fn check_bias<B: Kernels>(
    device: &B::Device,
    [rows, width, runs]: [usize; 3],
    seed: u64,
) -> Vec<Agreement> {
    let mut draw = Draw(seed);
    let (x, biases) = (draw.many(rows * width, 1.0), draw.many(runs * width, 1.0));
    let (shape, of_biases) = ([rows, width], [runs * width]);
    let both = Both::<B> {
        device,
        shape: &shape,
    };
    let found = B::biased(both.there(&x, &shape), both.there(&biases, &of_biases));
    let expected = bias::plain::<Flex>(on_cpu(&x, &shape), on_cpu(&biases, &of_biases));
    let forward = both.agreement("bias", found, expected, 0.0);
    let found = B::bias_gradient(both.there(&x, &shape), runs);
    let expected = bias::plain_sums::<Flex>(on_cpu(&x, &shape), runs);
    vec![
        forward,
        both.agreement("bias, db", found, expected, REORDERED),
    ]
}
