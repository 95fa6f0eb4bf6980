//! The network, sub-layer by sub-layer: embedding, attention, feed-forward, the residual around both, head.
//!
//! Every sub-layer is computed twice, side by side in its folder. `graph` has it in burn's tensor operations, which
//! differentiate themselves: the specification, for every device and for several runs at once. `host` has it on slices,
//! forward and backward by hand, for the CPU. `tests` hold the two together; those of [`crate::pass::fused`] do so for
//! whole passes over random shapes and options.
//!
//! By hand, a sub-layer is one operation: norm, branch, residual. Rounding to a 16-bit format happens where the
//! operation before it leaves its result, at the points at which the graph rounds. The backward pass computes layer
//! norms, attention probabilities and activations again instead of keeping them.
//!
//! Letters in names and shapes: `b` sequences, `s` slots, `r` rows of all sequences, `t` target slots, `h` width, `n`
//! heads, `d` head dimension, `f` feed-forward width, `v` vocabulary. Activations are `[b·s, h]`.
//!
//! On the graph one pass may serve several runs of one shape: their sequences lie one after another in `b`, their
//! weights in the first dimension of every parameter (`[runs·o, i]`). Only what has weights, a random stream or a
//! number of its own per run knows of it.

#[cfg(test)]
pub(crate) mod agreement;
pub(crate) mod attention;
pub(crate) mod context;
pub(crate) mod embedding;
mod feed_forward;
pub(crate) mod gradients;
pub(crate) mod head;
pub(crate) mod input;
mod linear;
pub(crate) mod network;
mod norm;
pub(crate) mod residual;
pub(crate) mod rows;
pub(crate) mod tables;
pub(crate) mod tap;
pub(crate) mod weights;
