//! Operations on slices of FP32 on the CPU: what a pass by hand is made of.
//!
//! None of them knows where in a model it stands. Loops are compiled for the CPU at hand, and sums run in an order
//! that depends on shapes only, so that the same input gives the same bits on every machine.
//!
//! Letters in shapes: `r` rows, `h` their width.

mod adamw;
mod dropout;
mod linear;
mod norm;
pub mod rows;

pub use adamw::{AdamW, Moments, UpdateSums, sum_of_squares, unscale};
pub use dropout::{Mask, MaskDraws};
pub use linear::{ForwardWeight, Linear, LinearGradient};
pub use norm::{Norm, NormGradient};
pub(crate) use norm::{norm_rows, norm_rows_backward};
