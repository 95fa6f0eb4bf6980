//! Weights in 8 or 4 bits: which elements of a matrix share a scale, how the scale is chosen, how codes are packed, and
//! what was lost. Knows matrices and no model.
//!
//! The arithmetic is that of GLM-130B (arXiv 2210.02414 §4 and B.8, `quantization/layers.py` of its repository): weights are
//! FP16, the scale is rounded to FP16 first, quotients are rounded to FP16 and then to the nearest integer, ties to even, and
//! a code is worth its product with the scale in FP16. Where that arithmetic divides by zero or wraps around, this one does
//! not: the scale of what is not all zero is at least FP16's smallest number, and codes are held at the largest one.
//!
//! | word | meaning |
//! | --- | --- |
//! | [`Rule`] | how a scale is chosen: one file each in `rule/`, one line in [`Rule::ALL`] |
//! | [`Sharing`] | which elements share one: a row, a column, all, or so many of a row |
//! | [`Source`] | a matrix, and on how many tensor-parallel ranks it lies: each has scales of its own |
//! | [`Quantized`] | codes, scales and zero points, and the matrix that they stand for |
//! | [`Loss`] | what a matrix lost, and what its weights look like |

mod bits;
mod blocks;
mod error;
mod gptq;
mod loss;
mod quantized;
mod rule;
mod scale;
mod scheme;

pub use bits::Bits;
pub use blocks::Sharing;
pub use error::QuantizeError;
pub use gptq::Calibration;
pub use loss::{Loss, Shape};
pub use quantized::{Quantized, Source, quantize};
pub use rule::Rule;
pub use scheme::Scheme;
