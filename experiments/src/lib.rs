//! One training run of a GLM proxy: objective, model, precision, optimiser, trainer.
//!
//! The configuration and the text are crates of their own (`experiments-config`,
//! `experiments-text`); neither knows a tensor. Here is what does.
//!
//! One decision shapes this crate: master weights, gradients and Adam moments are flat `f32`
//! slices on the host ([`Parameters`], [`AdamW`]), and the model is built from them anew for every
//! pass. Checkpoints, norms, clipping and resumption are then plain loops whose bits do not depend
//! on a backend (`docs/decisions/0004-host-side-optimizer.md`).

mod adamw;
mod backend;
pub mod bench;
mod capture;
mod checkpoint;
mod clipping;
mod data;
mod dropout;
mod entropy;
mod error;
mod fused;
mod inject;
mod inspect;
mod interchange;
mod last_word;
mod loss_scaler;
mod model;
mod objective;
mod pack;
mod parameters;
mod parity;
mod pass;
mod precision;
mod probe;
mod probes;
mod provenance;
mod random;
mod signals;
mod skip_step;
mod slice;
mod trainer;
mod weights;

pub use backend::{Device, features};
pub use entropy::{UnigramLoss, unigram_loss};
pub use error::TrainError;
pub use inspect::{Audit, inspect_config, inspect_run};
pub use interchange::{InterchangeError, SatDtype};
pub use parity::PARITY_FORMAT;
pub use slice::{
    Addition, Pass, Slice, SliceReport, TensorStats, residual_rms, slice, slice_bytes,
};
pub use trainer::{
    Ending, Member, PackRequest, Repeat, Request, check_run, parity, train, train_pack,
};
pub use weights::{check_weights, export_weights, import_weights};
