//! From gradients to new weights: skipping a step, clipping, AdamW. All of it on flat slices on the host.

pub(crate) mod adamw;
pub(crate) mod clipping;
pub(crate) mod skip_step;
