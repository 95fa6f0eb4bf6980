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
//! | [`WeightsFile`] | the matrices of a safetensors file of anybody's, each with its [`Kind`] as far as names tell |
//! | [`survey()`] | what every [`Method`] would cost the matrices of a file |

mod bits;
mod blocks;
mod error;
mod gptq;
mod kind;
mod loss;
mod quantized;
mod rule;
mod scale;
mod scheme;
mod survey;
mod tensor_file;
mod weights_file;

pub use bits::Bits;
pub use blocks::Sharing;
pub use error::{QuantizeError, WeightsError};
pub use gptq::Calibration;
pub use kind::Kind;
pub use loss::{Loss, Shape};
pub use quantized::{Parts, Quantized, Source, quantize};
pub use rule::Rule;
pub use scheme::Scheme;
pub use survey::{KindSurvey, MatrixSurvey, Method, MethodError, Survey, survey, survey_csv};
pub use tensor_file::TensorFile;
pub use weights_file::{LeftOut, ListedMatrix, WeightsFile};
