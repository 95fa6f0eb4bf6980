//! Number formats and custom operations with their backward passes. Knows no model.
//!
//! The central trait is [`Kernels`]: an extension of burn's `Backend` with the operations that
//! the training recipe needs and burn lacks. Every operation has a plain version in burn tensor
//! operations, which is the specification and the fall-back of other backends, and a version for
//! the CPU backend; property tests hold the latter to a plain scalar reference.
//!
//! On the CPU the training pass leaves burn's graph: [`slices`] has the operations that passes by hand are
//! made of, forward and backward.
//!
//! One decision: FP16 and BF16 are *emulated* on FP32 storage. A value is rounded to the format
//! where a half-precision program would store it ([`Rounding`]), so matrix products accumulate in
//! FP32 as tensor cores do, and the same bits come out on every CPU.

mod attention;
mod backend;
mod bias;
mod buffer;
pub mod bus;
mod check;
mod codes;
mod compact;
mod cross_entropy;
#[cfg(feature = "cube")]
mod cube;
mod failure;
mod format;
mod gate;
mod geglu;
mod gelu;
mod gpu;
mod heads;
mod layer_norm;
mod matmul;
mod product;
mod projection;
mod range;
mod ranges;
mod read;
mod simd;
pub mod slices;
mod softmax;
mod stream;
mod unary;

pub use attention::{Scoring, masked_attention};
pub use backend::Kernels;
pub use bias::biased;
pub use buffer::Buffer;
pub use check::{Agreement, check};
pub use codes::{CodeBits, Codes, CodesLayout, DeviceCodes, codes_product};
pub use compact::Compact;
pub use cross_entropy::cross_entropy;
#[cfg(feature = "cuda")]
pub use cube::cuda::Cuda;
#[cfg(feature = "cuda")]
pub use cube::kept::keep_kernels;
#[cfg(feature = "cube")]
pub use cube::launches::{count_launches, launches};
#[cfg(feature = "vulkan")]
pub use cube::vulkan::Vulkan;
pub use failure::unless_a_device_fails;
pub use format::{HalfFormat, RangeCount, round_slice};
pub use gate::{Factor, Gate, gate};
pub use geglu::geglu;
pub use gelu::gelu;
pub use gpu::{Abilities, Gpu, Gpus};
pub use heads::{Heads, heads};
pub use layer_norm::{LayerNormGradients, layer_norm};
pub use matmul::{Matrix, MatrixMut, Onto, Prepared, matmul, matmul_here};
pub use product::product;
pub use projection::{Projection, projected_entropy};
pub use range::{
    Pass, Place, RangeSite, Rounding, SiteTotals, Store, Tally, Watched, round_again, store,
};
pub use ranges::{AdamWState, AdamWStep, RangeRounding, Ranges, Summary};
pub use read::sum_of_words;
pub use simd::instruction_set;
pub use slices::MaskDraws;
pub use softmax::masked_softmax;
pub use stream::Stream;
