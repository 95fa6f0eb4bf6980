//! Hand-written forward and backward passes of transformer sub-layers on the CPU.
//!
//! A sub-layer is one operation: norm, attention or feed-forward, residual. Sequences do not meet
//! inside it, so a few of them at a time ([`Rows`] says how many) go through all of it while their
//! activations lie in the cache, and add their share to the gradients of its weights. The vocabulary,
//! larger than everything else, is cut into blocks instead, through which all rows go. Pieces and
//! blocks are spread over rayon's threads, depend on shapes only, and sums over them run in their
//! order: the number of threads changes no bit.
//!
//! Rounding to a 16-bit format happens where the operation before it leaves its result, at the points
//! at which the plain model rounds. The backward pass computes layer norms, attention probabilities
//! and GELU again instead of keeping them.
//!
//! Shapes use the model's letters: `r` rows of all sequences, `s` slots of one, `h` width, `d` head
//! dimension, `f` feed-forward width, `v` vocabulary, `t` rows with a target.

mod adamw;
mod attention;
mod dropout;
mod feed_forward;
mod linear;
mod norm;
mod relax;
mod rows;
mod spread;
mod sublayer;
mod vocabulary;

pub use adamw::{AdamW, Moments, UpdateSums, sum_of_squares, unscale};
pub use attention::{Alibi, Attention, AttentionPoints, Largest, Rotation, ScoreScale};
pub use dropout::Mask;
pub use feed_forward::{Activation, FeedForward, FeedForwardPoints, Function};
pub use linear::{Linear, LinearGradient};
pub use norm::{Norm, NormGradient};
pub(crate) use norm::{norm_rows, norm_rows_backward};
pub use relax::Divisor;
pub use spread::{Positions, Rows};
pub use sublayer::{
    Branch, Forward, Residual, ResidualPoints, Saved, Sublayer, SublayerGradient, Trace,
};
pub use vocabulary::{TokenGradients, TokenLosses, Vocabulary, gather_rows, scatter_rows};
