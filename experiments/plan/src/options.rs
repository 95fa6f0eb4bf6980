//! What a plan assumes, and what is known from elsewhere.

use crate::energy::EnergyOptions;
use crate::memory::MemoryOptions;
use serde::{Deserialize, Serialize};

/// What is assumed, and what is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanOptions {
    /// About the trainer's memory.
    pub memory: MemoryOptions,
    /// About power.
    pub energy: EnergyOptions,
    /// Attained share of the peak; absent takes the GPU file's.
    pub efficiency: Option<f64>,
    /// Tokens to train on; absent takes those of the configuration's steps.
    pub tokens: Option<u64>,
    /// Measured seconds per step; utilisation, days and energy then follow from them instead of
    /// from the model's.
    pub measured_seconds: Option<f64>,
}
