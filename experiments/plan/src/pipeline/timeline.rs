//! What a simulated step looks like.

use super::PipelineInput;
use serde::Serialize;

/// Direction of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Activations move to the next stage.
    Forward,
    /// Gradients move to the previous stage.
    Backward,
}

/// One pass of one chunk over one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Event {
    /// Stage, from 0.
    pub stage: u32,
    /// Chunk of the stage, from 0.
    pub chunk: u32,
    /// Micro-batch, from 0.
    pub micro_batch: u32,
    /// Direction.
    pub pass: Pass,
    /// Begin in seconds since the step began.
    pub start: f64,
    /// End in seconds since the step began.
    pub end: f64,
}

/// A simulated step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// What was simulated.
    pub input: PipelineInput,
    /// From the first forward pass to the end of the last backward pass, in seconds.
    pub seconds: f64,
    /// Share of the stage-time that is idle, 0 to 1.
    pub bubble: f64,
    /// The same by [`super::closed_form()`], where a formula applies.
    pub closed_form: Option<f64>,
    /// By stage: micro-batches whose activations are held at the worst moment, from the begin of
    /// their forward to the end of their backward pass; for the interleaved schedule in chunks
    /// (one micro-batch of one chunk counts 1, and is 1/v of a stage's layers).
    pub peak_in_flight: Vec<u64>,
    /// All passes, by stage and then by time.
    pub events: Vec<Event>,
}
