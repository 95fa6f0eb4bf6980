//! Rotary position embedding (arXiv 2104.09864) by explicit position ids.

use crate::layers::attention::frequencies;
use crate::layers::tables::{Table, Tables};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor};
use kernels::{HalfFormat, round_slice};

/// Cosines and sines of a batch, `[b, 1, s, d]`, in the format of the pass.
///
/// A head is rotated in one block by position id (GLM-130B), or in two blocks of `d/2` dimensions,
/// the second by the position inside the span (2-D; `LargeScale` `positional_embeddings.py`).
pub(crate) struct Rope<B: Backend> {
    cos: Tensor<B, 4>,
    sin: Tensor<B, 4>,
    blocks: usize,
}

/// The angles of a table: `position · base^(-2i/w)`.
pub(crate) struct Angles {
    /// Positions from 0.
    pub(crate) rows: usize,
    /// Dimensions w of a block.
    pub(crate) width: usize,
    pub(crate) base: f64,
    /// The format of the pass.
    pub(crate) half: Option<HalfFormat>,
}

impl Angles {
    /// A function of the `w/2` angles of every position, repeated for both halves of a block.
    fn table(&self, function: fn(f64) -> f64) -> Vec<f32> {
        let frequencies: Vec<f64> = frequencies(self.base, self.width).collect();
        let mut values = Vec::with_capacity(self.rows * self.width);
        for position in 0..self.rows {
            let both = frequencies.iter().chain(&frequencies);
            values.extend(both.map(|f| function(position as f64 * f) as f32));
        }
        if let Some(format) = self.half {
            round_slice(&mut values, format);
        }
        values
    }
}

impl<B: Backend> Rope<B> {
    /// Of the position ids of each block, `[b·s]`.
    pub(crate) fn new(
        tables: &Tables<B>,
        blocks: &[Tensor<B, 1, Int>],
        [b, s]: [usize; 2],
        angles: &Angles,
    ) -> Self {
        let table = |table, function| {
            let shape = [angles.rows, angles.width];
            let table = tables.get(table, shape, || angles.table(function));
            let parts = blocks
                .iter()
                .map(|ids| table.clone().select(0, ids.clone()));
            let width = angles.width * blocks.len();
            Tensor::cat(parts.collect(), 1).reshape([b, 1, s, width])
        };
        Self {
            cos: table(Table::Cosines, f64::cos),
            sin: table(Table::Sines, f64::sin),
            blocks: blocks.len(),
        }
    }

    /// Cosines and sines, and how many blocks are rotated by themselves.
    pub(crate) fn tables(&self) -> ([Tensor<B, 4>; 2], usize) {
        ([self.cos.clone(), self.sin.clone()], self.blocks)
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
        let ids = a.iter().zip(b);
        let ids = ids.map(|(a, b)| Tensor::from_data([*a, *b], &Default::default()));
        let angles = Angles {
            rows: 128,
            width: 8 / a.len(),
            base: 10_000.0,
            half: None,
        };
        let ids: Vec<_> = ids.collect();
        let tables = Tables::new(Default::default());
        let rope = Rope::new(&tables, &ids, [1, 2], &angles);
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
