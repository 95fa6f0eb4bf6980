//! Dropout masks from a stream of their own, so that arms of one seed drop the same elements.

use crate::random::stream;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Draws the masks of one forward pass in call order.
pub(crate) struct Dropout {
    generator: ChaCha8Rng,
}

impl Dropout {
    /// Masks for micro-batch number `index` of a seed.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        Self {
            generator: stream(seed, "dropout", index),
        }
    }

    /// A mask with elements 0 (probability `p`) and `1 / (1 - p)`, shaped like `x`, in which the runs
    /// lie one after another; every run draws its own part from its own stream.
    pub(crate) fn mask<B: Backend, const D: usize>(
        runs: &mut [Self],
        x: &Tensor<B, D>,
        p: f64,
    ) -> Tensor<B, D> {
        let keep = (1.0 / (1.0 - p)) as f32;
        let shape = x.dims();
        let elements: usize = shape.iter().product();
        let part = elements / runs.len();
        let mut mask = Vec::with_capacity(elements);
        for run in runs {
            mask.extend((0..part).map(|_| {
                if run.generator.random_bool(p) {
                    0.0
                } else {
                    keep
                }
            }));
        }
        Tensor::from_data(TensorData::new(mask, shape), &x.device())
    }
}
