//! One training run of a GLM proxy: objective, model, precision, optimiser, trainer.
//!
//! The configuration and the text are crates of their own (`experiments-config`,
//! `experiments-text`); neither knows a tensor. Here is what does.
//!
//! One decision shapes this crate: master weights, gradients and Adam moments are flat `f32`
//! arrays ([`parameters::Parameters`], [`optimizer::adamw::AdamW`]), and the model is built from them anew for every
//! pass. On the CPU, norms, clipping, updates and checkpoints are then plain loops
//! (`docs/decisions/0004-host-side-optimizer.md`); on a device the arrays stay there, and come home where somebody reads them
//! (`docs/decisions/0020-training-on-the-device.md`).
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`data`] | from text to batches: objectives, planted faults, held-out passages |
//! | [`array`](mod@array) | a flat array on the host, on a device, or both |
//! | [`parameters`] | the flat master weights and the table of what lies where |
//! | [`numerics`] | roundings to 16 bits, the loss scale, dropout masks |
//! | [`optimizer`] | from gradients to new weights: skipping, clipping, AdamW |
//! | [`ranks`](mod@ranks) | the ranks that train one run together: who has what, and what they tell each other |
//! | [`arithmetic`] | what a step does to whole gradients and to the optimiser's state, on the host, on a device or over ranks |
//! | [`state`] | what training changes: weights, moments, counters |
//! | [`layers`] | the network, sub-layer by sub-layer, as tensor operations and by hand |
//! | [`pass`] | forward and backward over one micro-batch, of one run or of several packed together |
//! | [`quantization`] | the linear maps of the layers in fewer bits, and what they read |
//! | [`files`] | checkpoints, weights for other programs, the parity file |
//! | [`trainer`] | the run and its steps: cadence, policy, signals, alarms; a step taken again and explained; runs that probe instead |
//! | [`studies`] | what leaves no run: bench, a layer at full size, the initialisation audit, quantized weights, a run asked with text |
//!
//! A room imports only from rooms above it in this table, and from `backend` (the device), `random` and
//! `error`.

mod arithmetic;
mod array;
mod backend;
mod data;
mod error;
mod files;
mod later;
mod layers;
mod numerics;
mod optimizer;
mod parameters;
mod pass;
mod quantization;
mod random;
mod ranks;
mod state;
mod studies;
mod trainer;

pub use backend::{
    Device, Listed, Listing, devices, features, keep_kernels, unless_a_device_fails,
};
pub use data::entropy::{UnigramLoss, unigram_loss};
pub use error::TrainError;
pub use experiments_collective::{Launched, launched};
pub use files::interchange::{InterchangeError, SatDtype};
pub use files::parity::PARITY_FORMAT;
pub use files::weights::{check_weights, export_weights, import_weights};
pub use kernels::{Abilities, Gpu};
pub use ranks::{Degrees, Ranks};
pub use studies::bench;
pub use studies::inspect::{Audit, inspect_config, inspect_run};
pub use studies::language_model::{
    LanguageModel, ModelRequest, Weighed, export_transformers, with_language_model,
};
pub use studies::layer_study::{
    Addition, LayerStudy, LayerStudyReport, Pass, TensorStats, layer_study, layer_study_bytes,
    residual_rms,
};
pub use studies::quantize::{
    Quality, QuantizeRequest, QuantizedMatrix, QuantizedStep, Which, quantize_run,
};
pub use trainer::explain;
pub use trainer::{
    CheckpointAudit, CheckpointAuditRequest, Child, Ending, ForkRequest, Forked, Member,
    PackRequest, RankMember, Repeat, Request, audit, check_reachable, check_run, fork, parity,
    ranks_of_step, refuse, serve, train, train_as_first, train_on_threads, train_pack,
    training_bytes,
};
