//! A batch as tensors.

use super::rope::Rope;
use crate::data::{Batch, Targets};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use experiments_config::ModelConfig;
use kernels::HalfFormat;

/// What the model reads.
pub(crate) struct Input<B: Backend> {
    /// Sequences b and slots s.
    pub(crate) batch: usize,
    pub(crate) seq_len: usize,
    /// `[b·s]`
    pub(crate) tokens: Tensor<B, 1, Int>,
    /// True where attention is forbidden, `[b, 1, s, s]`: every slot sees the prefix, beyond it
    /// only what came before.
    pub(crate) forbidden: Tensor<B, 4, Bool>,
    pub(crate) rope: Rope<B>,
    /// Flat indices of the slots with a target, `[t]`.
    pub(crate) slots: Tensor<B, 1, Int>,
}

impl<B: Backend> Input<B> {
    pub(crate) fn new(
        batch: &Batch,
        targets: &Targets,
        model: &ModelConfig,
        half: Option<HalfFormat>,
        device: &B::Device,
    ) -> Self {
        let (b, s) = (batch.samples.len(), model.seq_len);
        let tokens: Vec<i64> = batch
            .samples
            .iter()
            .flat_map(|x| &x.tokens)
            .map(|t| i64::from(*t))
            .collect();
        let mut forbidden = Vec::with_capacity(b * s * s);
        for sample in &batch.samples {
            let prefix = sample.prefix;
            forbidden.extend((0..s * s).map(|i| i % s > i / s && i % s >= prefix));
        }
        let positions: Vec<u32> = batch
            .samples
            .iter()
            .flat_map(|x| &x.positions)
            .copied()
            .collect();
        Self {
            batch: b,
            seq_len: s,
            tokens: Tensor::from_data(TensorData::new(tokens, [b * s]), device),
            forbidden: Tensor::from_data(TensorData::new(forbidden, [b, 1, s, s]), device),
            rope: Rope::new(&positions, b, model, half, device),
            slots: Tensor::from_data(
                TensorData::new(targets.slots.clone(), [targets.slots.len()]),
                device,
            ),
        }
    }
}
