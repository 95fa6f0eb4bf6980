//! What measures the program or the model and leaves no run: kernels' speed, one layer at full size, an
//! initialisation audit, weights in fewer bits, a run that answers texts.

pub mod bench;
pub(crate) mod inspect;
pub(crate) mod language_model;
pub(crate) mod layer_study;
pub(crate) mod quantize;
