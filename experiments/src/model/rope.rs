//! Rotary position embedding (arXiv 2104.09864) by explicit position ids.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use experiments_config::ModelConfig;
use kernels::{HalfFormat, round_slice};

/// Cosines and sines of a batch, `[b, 1, s, d]`, in the format of the pass.
pub(crate) struct Rope<B: Backend> {
    cos: Tensor<B, 4>,
    sin: Tensor<B, 4>,
}

impl<B: Backend> Rope<B> {
    /// Angles `position · base^(-2i/d)`, the `d/2` frequencies repeated for both halves.
    pub(crate) fn new(
        positions: &[u32],
        batch: usize,
        model: &ModelConfig,
        half: Option<HalfFormat>,
        device: &B::Device,
    ) -> Self {
        let d = model.head_dim();
        let frequencies: Vec<f64> = (0..d / 2)
            .map(|i| model.rope_base.powf(-2.0 * i as f64 / d as f64))
            .collect();
        let table = |function: fn(f64) -> f64| {
            let mut values: Vec<f32> = positions
                .iter()
                .flat_map(|p| frequencies.iter().chain(&frequencies).map(move |f| (p, f)))
                .map(|(p, f)| function(f64::from(*p) * f) as f32)
                .collect();
            if let Some(format) = half {
                round_slice(&mut values, format);
            }
            let shape = [batch, 1, positions.len() / batch, d];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
        }
    }

    /// Rotates element `i` with element `i + d/2` (`NeoX` pairing).
    ///
    /// # Shapes
    /// - input and output: `[b, n, s, d]`
    pub(crate) fn rotate(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = x.dims()[3] / 2;
        let first = x.clone().narrow(3, 0, half);
        let second = x.clone().narrow(3, half, half);
        let turned = Tensor::cat(vec![second.neg(), first], 3);
        x * self.cos.clone() + turned * self.sin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn scores_depend_on_the_difference_of_positions_only() {
        let model = ModelConfig {
            hidden_size: 8,
            num_heads: 1,
            ..ModelConfig::default()
        };
        let device = Default::default();
        let q: Vec<f32> = (0..8).map(|i| (i as f32).sin()).collect();
        let x = |values: &[f32]| {
            Tensor::<Flex, 4>::from_data(TensorData::new(values.repeat(2), [1, 1, 2, 8]), &device)
        };
        let score = |a: u32, b: u32| -> f32 {
            let y = Rope::new(&[a, b], 1, &model, None, &device).rotate(x(&q));
            let y: Vec<f32> = y.into_data().to_vec().unwrap();
            y[..8].iter().zip(&y[8..]).map(|(u, v)| u * v).sum()
        };
        assert!((score(3, 10) - score(100, 107)).abs() < 1e-4);
        assert!((score(3, 10) - score(3, 11)).abs() > 1e-3);
    }
}
