//! What follows from the seconds of a step: utilisation, throughput, days.

use crate::flops::Flops;
use crate::hardware::Gpu;
use crate::{Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;

/// Seconds per day.
const DAY: f64 = 86_400.0;

/// What follows from the seconds of a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rates {
    /// Attained TFLOP/s per GPU, recomputation counted.
    pub hardware_tflops: f64,
    /// Attained TFLOP/s per GPU, recomputation not counted.
    pub model_tflops: f64,
    /// Hardware FLOPs utilisation: share of the peak with recomputation counted.
    pub hfu: f64,
    /// Model FLOPs utilisation: share of the peak without (`PaLM`, arXiv 2204.02311 appendix B).
    pub mfu: f64,
    /// Sequences per second.
    pub samples_per_second: f64,
    /// Token slots per day.
    pub tokens_per_day: f64,
}

impl Rates {
    /// From a measured or modelled step.
    pub fn of(
        config: &Config,
        layout: &Layout,
        gpu: &Gpu,
        flops: &Flops,
        seconds: f64,
    ) -> Result<Self, PlanError> {
        if !(seconds.is_finite() && seconds > 0.0) {
            return Err(PlanError::Size {
                what: "seconds per step".to_owned(),
                value: seconds.to_string(),
                expected: "must be a finite number above 0".to_owned(),
            });
        }
        let gpus = layout.world_size()? as f64;
        let peak = gpu.peak(config.precision.format)?;
        let samples_per_second = layout.global_batch as f64 / seconds;
        let (hardware, model) = (
            flops.hardware / seconds / gpus,
            flops.model / seconds / gpus,
        );
        Ok(Self {
            hardware_tflops: hardware / 1e12,
            model_tflops: model / 1e12,
            hfu: hardware / peak,
            mfu: model / peak,
            samples_per_second,
            tokens_per_day: samples_per_second * config.model.seq_len as f64 * DAY,
        })
    }

    /// Days for so many tokens.
    #[must_use]
    pub fn days(&self, tokens: f64) -> f64 {
        tokens / self.tokens_per_day
    }
}
