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
mod checkpoint;
mod data;
mod dropout;
mod entropy;
mod error;
mod loss_scaler;
mod model;
mod objective;
mod parameters;
mod pass;
mod precision;
mod probe;
mod provenance;
mod random;
mod schedule;
mod signals;
mod trainer;

pub use adamw::{AdamW, UpdateReport};
pub use backend::{Device, features};
pub use data::Batch;
pub use entropy::{UnigramLoss, unigram_loss};
pub use error::TrainError;
pub use loss_scaler::{LossScaler, ScaleChange};
pub use objective::{Kind, Sample, sample_gmask, sample_mask};
pub use parameters::{Parameter, Parameters, Role};
pub use random::stream;
pub use schedule::learning_rate;
pub use trainer::{Ending, Request, train};
