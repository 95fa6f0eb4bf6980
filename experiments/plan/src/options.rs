//! What a plan assumes, and what is known from elsewhere.

use crate::Trainer;
use crate::energy::EnergyOptions;
use crate::memory::MemoryOptions;
use crate::step_time::Coefficients;
use serde::{Deserialize, Serialize};

/// What is assumed, and what is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanOptions {
    /// About the trainer's memory.
    pub memory: MemoryOptions,
    /// About power.
    pub energy: EnergyOptions,
    /// Share of the peak that large matrix products attain; absent takes the fitted one.
    pub efficiency: Option<f64>,
    /// The program that trains; absent takes [`Trainer::usual`].
    pub trainer: Option<Trainer>,
    /// Whether products of weights are computed in FP8.
    pub fp8: bool,
    /// Coefficients of the step-time model; absent takes those that are shipped.
    pub coefficients: Option<Coefficients>,
    /// Tokens to train on; absent takes those of the configuration's steps.
    pub tokens: Option<u64>,
    /// Measured seconds per step; utilisation, days and energy then follow from them instead of
    /// from the model's.
    pub measured_seconds: Option<f64>,
}
