//! A batch as tensors.

use super::attention::graph::alibi;
use super::attention::graph::rope::Rope;
use super::attention::ids_of;
use crate::data::objective::Sample;
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
    /// `[b·s]`
    pub(crate) positions: Tensor<B, 1, Int>,
    /// True where attention is forbidden, `[b, 1, s, s]`: every slot sees the prefix of its
    /// segment, beyond it only what came before.
    pub(crate) forbidden: Tensor<B, 4, Bool>,
    /// With rotary positions.
    pub(crate) rope: Option<Rope<B>>,
    /// With `ALiBi`: what is taken off the scores, `[b, n, s, s]`.
    pub(crate) alibi: Option<Tensor<B, 4>>,
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
        let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<u32> {
            let samples = batch.samples.iter();
            samples.flat_map(ids).copied().collect()
        };
        let integers = |values: Vec<i64>| -> Tensor<B, 1, Int> {
            let len = values.len();
            Tensor::from_data(TensorData::new(values, [len]), device)
        };
        let widen = |ids: &[u32]| integers(ids.iter().map(|id| i64::from(*id)).collect());
        let encoding = model.positions.row();
        let blocks = encoding.rotates.iter().map(|ids| flat(ids_of(*ids)));
        let blocks: Vec<Vec<u32>> = blocks.collect();
        let mut forbidden = Vec::with_capacity(b * s * s);
        for sample in &batch.samples {
            forbidden.extend((0..s * s).map(|i| !sample.may_attend(i / s, i % s)));
        }
        Self {
            batch: b,
            seq_len: s,
            tokens: widen(&flat(|sample| &sample.tokens)),
            positions: widen(&flat(|sample| &sample.positions)),
            forbidden: Tensor::from_data(TensorData::new(forbidden, [b, 1, s, s]), device),
            alibi: (encoding.penalises).then(|| alibi::penalties(batch, model.num_heads, device)),
            rope: (!blocks.is_empty())
                .then(|| Rope::new(&blocks, b, model.head_dim(), model.rope_base, half, device)),
            slots: integers(targets.slots.clone()),
        }
    }
}
