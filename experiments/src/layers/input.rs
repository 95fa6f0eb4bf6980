//! A batch as tensors.

use super::attention::graph::alibi;
use super::attention::graph::rope::{Angles, Rope};
use super::tables::Tables;
use crate::data::objective::Sample;
use crate::data::{Batch, Targets};
use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Int, Tensor};
use experiments_config::{Ids, ModelConfig};
use kernels::{HalfFormat, Kernels, bus};

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

impl<B: Kernels> Input<B> {
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
        let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<i32> {
            let samples = batch.samples.iter();
            samples.flat_map(ids).map(|id| *id as i32).collect()
        };
        let encoding = model.positions.row();
        let (own, span) = (
            flat(|sample| &sample.positions),
            flat(|sample| &sample.block_positions),
        );
        let most = own.iter().chain(&span).max();
        // Not only those of this batch, so that a table serves the next one too.
        let rows = most.map_or(s, |most| s.max(*most as usize + 1));
        let [starts, ends] = visible(batch, s);
        let mut sequences = vec![flat(|sample| &sample.tokens), own, starts, ends];
        if encoding.rotates.contains(&Ids::Span) {
            sequences.push(span);
        }
        if !targets.slots.is_empty() {
            sequences.push(narrow(&targets.slots));
        }
        // All at once, and in few bytes.
        let mut sent = bus::send_sequences::<B>(&sequences, device).into_iter();
        let mut next = || sent.next().expect("as many as were sent");
        let [tokens, positions, starts, ends] = [(); 4].map(|()| next());
        let blocks = encoding.rotates.iter().map(|kind| match kind {
            Ids::Position => positions.clone(),
            Ids::Span => next(),
        });
        let blocks: Vec<_> = blocks.collect();
        let slots = if targets.slots.is_empty() {
            Tensor::zeros([0], device)
        } else {
            next()
        };
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
            let is_real = bus::send_repeated::<B>(is_real.collect(), device);
            is_real.reshape([weights.len(), 1])
        });
        Self {
            batch: b,
            seq_len: s,
            tokens,
            forbidden: forbidden([starts, ends], [b, s]),
            alibi: encoding.penalises.then(alibi),
            rope: (!blocks.is_empty()).then(|| Rope::new(tables, &blocks, [b, s], &angles)),
            positions,
            slots,
            filling,
        }
    }
}

/// Numbers of slots or tokens as devices count them.
pub(crate) fn narrow(ids: &[i64]) -> Vec<i32> {
    ids.iter().map(|id| *id as i32).collect()
}

/// The two ends of what every slot sees.
fn visible(batch: &Batch, s: usize) -> [Vec<i32>; 2] {
    let visible = batch.samples.iter();
    let visible = visible.flat_map(|sample| (0..s).map(|from| sample.visible(from)));
    let ends = visible.map(|range| (range.start as i32, range.end as i32));
    let (starts, ends) = ends.unzip();
    [starts, ends]
}

/// Where attention is forbidden, `[b, 1, s, s]`, from the two ends of what every slot sees.
fn forbidden<B: Backend>(
    [starts, ends]: [Tensor<B, 1, Int>; 2],
    [b, s]: [usize; 2],
) -> Tensor<B, 4, Bool> {
    let whole = [b, 1, s, s];
    let to = Tensor::<B, 1, Int>::arange(0..s as i64, &starts.device());
    let to = to.reshape([1, 1, 1, s]).expand(whole);
    let [starts, ends] = [starts, ends].map(|end| end.reshape([b, 1, s, 1]).expand(whole));
    let before = to.clone().lower(starts);
    before.bool_or(to.greater_equal(ends))
}
