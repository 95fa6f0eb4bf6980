//! A batch as tensors.

use super::attention::graph::alibi;
use super::attention::graph::rope::Rope;
use super::attention::ids_of;
use crate::data::objective::Sample;
use crate::data::{Batch, Targets};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use experiments_config::ModelConfig;
use kernels::{HalfFormat, bus};
use std::ops::Range;

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
        let integers = |values: Vec<i32>| -> Tensor<B, 1, Int> {
            let len = values.len();
            bus::send_integers(values, [len], device)
        };
        let ids = |ids: &[u32]| integers(ids.iter().map(|id| *id as i32).collect());
        let encoding = model.positions.row();
        let blocks = encoding.rotates.iter().map(|ids| flat(ids_of(*ids)));
        let blocks: Vec<Vec<u32>> = blocks.collect();
        Self {
            batch: b,
            seq_len: s,
            tokens: ids(&flat(|sample| &sample.tokens)),
            positions: ids(&flat(|sample| &sample.positions)),
            forbidden: forbidden(batch, s, device),
            alibi: (encoding.penalises).then(|| alibi::penalties(batch, model.num_heads, device)),
            rope: (!blocks.is_empty())
                .then(|| Rope::new(&blocks, b, model.head_dim(), model.rope_base, half, device)),
            slots: integers(narrow(&targets.slots)),
        }
    }
}

/// Numbers of slots or tokens as devices count them.
pub(crate) fn narrow(ids: &[i64]) -> Vec<i32> {
    ids.iter().map(|id| *id as i32).collect()
}

/// Where attention is forbidden, `[b, 1, s, s]`, from the two ends of what every slot sees.
fn forbidden<B: Backend>(batch: &Batch, s: usize, device: &B::Device) -> Tensor<B, 4, Bool> {
    let b = batch.samples.len();
    let visible = batch.samples.iter();
    let visible = visible.flat_map(|sample| (0..s).map(|from| sample.visible(from)));
    let visible: Vec<_> = visible.collect();
    let whole = [b, 1, s, s];
    let ends = |end: fn(&Range<usize>) -> usize| {
        let ends = visible.iter().map(|range| end(range) as i32).collect();
        bus::send_integers::<B, 4>(ends, [b, 1, s, 1], device).expand(whole)
    };
    let to = Tensor::<B, 1, Int>::arange(0..s as i64, device);
    let to = to.reshape([1, 1, 1, s]).expand(whole);
    let before = to.clone().lower(ends(|range| range.start));
    before.bool_or(to.greater_equal(ends(|range| range.end)))
}
