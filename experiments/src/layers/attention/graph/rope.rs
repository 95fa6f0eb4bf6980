//! Rotary position embedding (arXiv 2104.09864) by explicit position ids.

use crate::layers::attention::frequencies;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use kernels::{HalfFormat, bus, round_slice};

/// Cosines and sines of a batch, `[b, 1, s, d]`, in the format of the pass.
///
/// A head is rotated in one block by position id (GLM-130B), or in two blocks of `d/2` dimensions,
/// the second by the position inside the span (2-D; `LargeScale` `positional_embeddings.py`).
pub(crate) struct Rope<B: Backend> {
    cos: Tensor<B, 4>,
    sin: Tensor<B, 4>,
    blocks: usize,
}

impl<B: Backend> Rope<B> {
    /// Angles `position · base^(-2i/w)` for a block of `w` dimensions, its `w/2` frequencies
    /// repeated for both halves. `positions` holds the ids of each block, `[b·s]`.
    pub(crate) fn new(
        positions: &[Vec<u32>],
        batch: usize,
        head_dim: usize,
        base: f64,
        half: Option<HalfFormat>,
        device: &B::Device,
    ) -> Self {
        let blocks = positions.len();
        let width = head_dim / blocks;
        let slots = positions[0].len();
        let rows = positions.iter().flatten().max().map_or(1, |most| most + 1);
        let ids = positions.iter().map(|ids| {
            let ids = ids.iter().map(|id| *id as i32).collect();
            bus::send_integers::<B, 1>(ids, [slots], device)
        });
        let ids: Vec<_> = ids.collect();
        let frequencies: Vec<f64> = frequencies(base, width).collect();
        let table = |function: fn(f64) -> f64| {
            let mut values = Vec::with_capacity(rows as usize * width);
            for position in 0..rows {
                let both = frequencies.iter().chain(&frequencies);
                values.extend(both.map(|f| function(f64::from(position) * f) as f32));
            }
            if let Some(format) = half {
                round_slice(&mut values, format);
            }
            let table = bus::send::<B, 2>(values, [rows as usize, width], device);
            let parts = ids.iter().map(|ids| table.clone().select(0, ids.clone()));
            Tensor::cat(parts.collect(), 1).reshape([batch, 1, slots / batch, head_dim])
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
            blocks,
        }
    }

    /// Rotates element `i` of a block with element `i + w/2` (`NeoX` pairing).
    ///
    /// # Shapes
    /// - input and output: `[b, n, s, d]`
    pub(crate) fn rotate(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let half = x.dims()[3] / (2 * self.blocks);
        let part = |i: usize| x.clone().narrow(3, i * half, half);
        let turned = (0..self.blocks)
            .flat_map(|block| [part(2 * block + 1).neg(), part(2 * block)])
            .collect();
        x * self.cos.clone() + Tensor::cat(turned, 3) * self.sin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    /// Score of one vector with itself at two places, each place one id per block.
    fn score(a: &[u32], b: &[u32]) -> f32 {
        let q: Vec<f32> = (0..8).map(|i| (i as f32).sin()).collect();
        let x = Tensor::<Flex, 4>::from_data(
            TensorData::new(q.repeat(2), [1, 1, 2, 8]),
            &Default::default(),
        );
        let ids: Vec<Vec<u32>> = a.iter().zip(b).map(|(a, b)| vec![*a, *b]).collect();
        let rope = Rope::new(&ids, 1, 8, 10_000.0, None, &Default::default());
        let y: Vec<f32> = rope.rotate(x).into_data().to_vec().unwrap();
        y[..8].iter().zip(&y[8..]).map(|(u, v)| u * v).sum()
    }

    #[test]
    fn scores_depend_on_the_difference_of_positions_only() {
        assert!((score(&[3], &[10]) - score(&[100], &[107])).abs() < 1e-4);
        assert!((score(&[3], &[10]) - score(&[3], &[11])).abs() > 1e-3);
    }

    #[test]
    fn both_ids_of_a_2d_position_count() {
        let near = score(&[3, 1], &[5, 2]);
        assert!((near - score(&[13, 4], &[15, 5])).abs() < 1e-4);
        assert!((near - score(&[3, 1], &[5, 3])).abs() > 1e-3);
        assert!((near - score(&[3, 1], &[6, 2])).abs() > 1e-3);
    }
}
