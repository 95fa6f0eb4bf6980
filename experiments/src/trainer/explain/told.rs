//! What is told of a step.

use crate::data::Origin;
use crate::trainer::noise::NoiseScale;
use serde::Serialize;

/// A step and what its gradient is made of. What is not finite is `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The step, from 1.
    pub step: u64,
    /// Step of the checkpoint that was taken forward; 0 for the beginning.
    pub checkpoint: u64,
    /// The first step, on the way or the step itself, that does not give what is recorded.
    pub deviation: Option<Deviation>,
    /// Nats per token.
    pub loss: f64,
    /// Norm of the unscaled gradient before clipping.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Factor on the loss before the backward pass.
    pub loss_scale: f64,
    /// Why the step did not update; none where it did.
    pub skipped: Option<&'static str>,
    /// Norm of the clipped over norm of the unclipped gradient; none where the step did not update.
    pub clip_coefficient: Option<f64>,
    /// Largest gradient norm, 0 for no limit.
    pub clip_limit: f64,
    /// The squared norm by layer and role; all that there is, so that they add up to it.
    pub parts: Vec<Part>,
    /// The same by layer, without what lies outside the layers.
    pub layers: Vec<Part>,
    /// The same by role.
    pub roles: Vec<Part>,
    /// The largest rows of embeddings (a row is a token or a position) and of the output projection.
    pub rows: Vec<Row>,
    /// The sequences of the batch in their order.
    pub sequences: Vec<SequenceShare>,
    /// None for a batch of one sequence, and where a gradient is not finite.
    pub noise: Option<NoiseScale>,
    /// What the number format had to hold, outside the layers and in each; empty in FP32, and on devices where nobody
    /// counts.
    pub range: Vec<RangeRow>,
    /// The first tensor that is not finite.
    pub nonfinite: Option<Nonfinite>,
}

/// A step that gives other bits than were recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// The step.
    pub step: u64,
    /// The signals that differ.
    pub signals: Vec<String>,
}

/// A part of the squared gradient norm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Sum of squares.
    pub squared: f64,
    /// Of the whole, 0 to 1; none where that is 0 or not finite.
    pub share: Option<f64>,
    /// The clip coefficient that the step would have had without this part; none where it did not update.
    pub clip_without: Option<f64>,
}

/// Parameters of a layer, of a role, or of a role in a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Counted from 0; none outside the layers and for a role as a whole.
    pub layer: Option<usize>,
    /// `embedding`, `position`, `head`, `attention`, `ffn` or `norm`; none for a layer as a whole.
    pub role: Option<&'static str>,
    /// How much of the gradient is theirs.
    #[serde(flatten)]
    pub share: Share,
}

/// A row of an embedding or of the output projection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The parameter, for example `embedding.weight`.
    pub tensor: String,
    /// Token id or position.
    pub row: usize,
    /// The token as text, bytes that are no whole letter as `\xe5`; none for a position.
    pub text: Option<String>,
    /// Slots of the batch that read it.
    pub inputs: u64,
    /// Slots of the batch whose target it is; none for a position.
    pub targets: Option<u64>,
    /// How much of the gradient is its.
    #[serde(flatten)]
    pub share: Share,
    /// Sum of squares of what arrives through the input and through the output logits, with tied embeddings. They do not
    /// add up to the whole: the two may point apart.
    pub paths: Option<[f64; 2]>,
}

/// A sequence of the batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SequenceShare {
    /// Its number in the data.
    pub number: u64,
    /// `gmask`, `mask`, `task` or `gpt`.
    pub kind: &'static str,
    /// Slots with a target.
    pub targets: usize,
    /// Mean over its targets, nats per token.
    pub loss: f64,
    /// Norm of the gradient of its own loss.
    pub grad_norm: f64,
    /// What it adds to the step's gradient along that gradient: g·G / (N |G|²) of N sequences. All add up to 1; below 0
    /// for one that pulls against the others, none where a gradient is not finite.
    pub share: Option<f64>,
    /// From where its text is.
    pub origins: Vec<Origin>,
    /// What the model read, without padding.
    pub text: String,
}

/// What a 16-bit format had to hold in a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RangeRow {
    /// Counted from 0; none for what lies outside the layers.
    pub layer: Option<usize>,
    /// Activations.
    pub forward: Passed,
    /// Their gradients and those of weights, times the loss scale.
    pub backward: Passed,
}

/// Values of one pass before they were rounded.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Passed {
    /// Finite values other than 0.
    pub nonzero: u64,
    /// Values that became infinite, or the largest finite value.
    pub overflow: u64,
    /// Values other than 0 that became 0.
    pub underflow: u64,
    /// Of those other than 0; none without any.
    pub underflow_share: Option<f64>,
    /// Largest finite magnitude.
    pub largest: f64,
    /// The tensor it is in; empty without any.
    pub tensor: String,
    /// Largest value of the format over that: below 1 for an overflow, none where `largest` is 0.
    pub margin: Option<f64>,
}

/// Where in a step something is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A weight, before anything is computed.
    Weight,
    /// An activation.
    Forward,
    /// The gradient of an activation.
    Backward,
    /// The gradient of a weight.
    WeightGradient,
    /// The sum of weight gradients over micro-batches.
    Sum,
}

impl Stage {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Weight => "the weights before the step",
            Self::Forward => "the forward pass",
            Self::Backward => "the backward pass",
            Self::WeightGradient => "the gradients of the weights",
            Self::Sum => "the sum over micro-batches",
        }
    }
}

/// The first tensor in the order of computation that holds something that is not finite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Nonfinite {
    /// Its name.
    pub tensor: String,
    /// Layer counted from 0; none outside the layers.
    pub layer: Option<usize>,
    /// Where it is computed.
    pub stage: Stage,
    /// Micro-batch of the step, from 0.
    pub micro_batch: u64,
    /// How many of its values are beyond the number format; 0 where they were not finite before they were rounded.
    pub overflow: u64,
    /// Largest finite magnitude before it was rounded, gradients times the loss scale; none where nothing was rounded.
    pub largest: Option<f64>,
    /// Largest value of the format; none in FP32.
    pub limit: Option<f64>,
}
