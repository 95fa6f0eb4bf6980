//! What measures the program or the model and leaves no run: kernels' speed, one layer at full size, an
//! initialisation audit.

pub mod bench;
pub(crate) mod inspect;
pub(crate) mod layer_study;
