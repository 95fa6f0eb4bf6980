//! What is predicted, and from what.

mod bounds;

use serde::{Deserialize, Serialize};

/// The self-supervised objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveMode {
    /// Blank infilling with `[gMASK]` and `[MASK]`.
    Glm,
    /// Unidirectional language modelling, every next token predicted: the control.
    Gpt,
}

/// How text is fitted into the slots of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// As much text as the slots hold with its special tokens; no target is cut.
    Fitted,
    /// As in the original code: 2,000 tokens of text per 2,048 slots for `[gMASK]`, 500 per 512 for
    /// `[MASK]`. A `[MASK]` sub-sample needs some 548 slots, so about a third of its targets are cut.
    Original,
}

/// Position ids of the targets of a `[MASK]` span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskPositions {
    /// All slots of a span carry the position of its `[MASK]`.
    Span,
    /// Slots count on.
    Plain,
}

/// Position ids of the targets of a `[gMASK]` or task sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GmaskPositions {
    /// Slots count on.
    Plain,
    /// The target half is shifted by -1, so that sop shares the position of `[gMASK]`: the original
    /// before 29 June 2022.
    Shifted,
}

/// GLM blank infilling (arXiv 2210.02414 §2.2; numbers from the pre-training code).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// `glm`, or `gpt` for the unidirectional control.
    pub mode: ObjectiveMode,
    /// Share of sequences with the `[gMASK]` objective; the rest is `[MASK]` span filling.
    pub gmask_ratio: f64,
    /// Smallest share of a `[gMASK]` sequence that is generated; the length is uniform above it.
    pub min_gmask_ratio: f64,
    /// Share of tokens covered by `[MASK]` spans.
    pub mask_ratio: f64,
    /// Mean λ of the Poisson span lengths, truncated to 1..=`max_span`.
    pub span_lambda: f64,
    /// Longest span.
    pub max_span: usize,
    /// Probability that a `[MASK]` sub-sample has one span only.
    pub single_span_prob: f64,
    /// Probability that a `[MASK]` sub-sample is cut to a random shorter length.
    pub short_seq_prob: f64,
    /// Sub-samples in one `[MASK]` or task sequence, each in its own part of the slots and blind to
    /// the others (GLM-130B: 4).
    pub aggregated_samples: usize,
    /// `fitted` or `original`.
    pub packing: Packing,
    /// `span` or `plain`.
    pub mask_positions: MaskPositions,
    /// `plain` or `shifted`.
    pub gmask_positions: GmaskPositions,
    /// Coefficient of `(log Z)²` added to the loss of every target (`PaLM`, arXiv 2204.02311 §5);
    /// 0 switches it off.
    pub z_loss: f64,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            mode: ObjectiveMode::Glm,
            gmask_ratio: 0.7,
            min_gmask_ratio: 0.2,
            mask_ratio: 0.15,
            span_lambda: 3.0,
            max_span: 39,
            single_span_prob: 0.02,
            short_seq_prob: 0.02,
            aggregated_samples: 1,
            packing: Packing::Fitted,
            mask_positions: MaskPositions::Span,
            gmask_positions: GmaskPositions::Plain,
            z_loss: 0.0,
        }
    }
}
