//! From text to batches: objectives that mask it, what is planted in it, and what a model that has learnt
//! nothing but its frequencies loses on it.

mod batch;
pub(crate) mod entropy;
pub(crate) mod inject;
pub(crate) mod last_word;
mod losses;
pub(crate) mod objective;
mod sampler;

pub(crate) use batch::{Batch, Targets};
pub(crate) use losses::{Losses, Mean};
pub use sampler::Origin;
pub(crate) use sampler::{HELD_OUT_SEED, Sampler, held_out};
