//! From text to batches: objectives that mask it, what is planted in it, and what a model that has learnt
//! nothing but its frequencies loses on it.

pub(crate) mod batch;
pub(crate) mod entropy;
pub(crate) mod inject;
pub(crate) mod last_word;
pub(crate) mod objective;

pub(crate) use batch::{Batch, HELD_OUT_SEED, Losses, Mean, Sampler, Targets, held_out};
