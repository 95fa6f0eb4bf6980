//! A batch as tensors.

use super::attention::graph::alibi;
use super::attention::graph::rope::{Angles, Rope};
use super::tables::Tables;
use crate::data::objective::Sample;
use crate::data::{Batch, Targets};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use experiments_config::{Ids, ModelConfig};
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
    /// 0 at slots that only fill up a run's targets, else 1, `[t, 1]`; absent where there are none.
    pub(crate) filling: Option<Tensor<B, 2>>,
}

impl<B: Backend> Input<B> {
    pub(crate) fn new(
        batch: &Batch,
        targets: &Targets,
        model: &ModelConfig,
        half: Option<HalfFormat>,
        device: &B::Device,
    ) -> Self {
        let tables = Tables::new(device.clone());
        Self::beside(&tables, batch, targets, model, half)
    }

    /// With tables of the model that may be there already.
    pub(crate) fn beside(
        tables: &Tables<B>,
        batch: &Batch,
        targets: &Targets,
        model: &ModelConfig,
        half: Option<HalfFormat>,
    ) -> Self {
        let device = tables.device();
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
        let (own, span) = (
            flat(|sample| &sample.positions),
            flat(|sample| &sample.block_positions),
        );
        let most = own.iter().chain(&span).max();
        // Not only those of this batch, so that a table serves the next one too.
        let rows = most.map_or(s, |most| s.max(*most as usize + 1));
        let positions = ids(&own);
        let blocks = encoding.rotates.iter().map(|kind| match kind {
            Ids::Position => positions.clone(),
            Ids::Span => ids(&span),
        });
        let blocks: Vec<_> = blocks.collect();
        let alibi = || alibi::penalties(tables, &positions, [b, s], model.num_heads, rows);
        let angles = Angles {
            rows,
            width: model.head_dim() / blocks.len().max(1),
            base: model.rope_base,
            half,
        };
        let weights = &targets.weights;
        let filling = weights.contains(&0.0).then(|| {
            let is_real = weights.iter().map(|weight| f32::from(*weight != 0.0));
            bus::send(is_real.collect(), [weights.len(), 1], device)
        });
        Self {
            batch: b,
            seq_len: s,
            tokens: ids(&flat(|sample| &sample.tokens)),
            forbidden: forbidden(batch, s, device),
            alibi: encoding.penalises.then(alibi),
            rope: (!blocks.is_empty()).then(|| Rope::new(tables, &blocks, [b, s], &angles)),
            positions,
            slots: integers(narrow(&targets.slots)),
            filling,
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
