//! The same layout under each choice of recomputation.

use crate::hardware::Gpu;
use crate::memory::estimate_with;
use crate::options::PlanOptions;
use crate::step_time::step_time;
use crate::{Cluster, Layout, PlanError, Recompute};
use experiments_config::Config;
use serde::Serialize;

/// What a choice costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RecomputationChoice {
    /// The choice.
    pub recompute: Recompute,
    /// What the layers of the fullest stage keep of one micro-batch, in bytes.
    pub activations_per_micro_batch: u64,
    /// What they keep of all micro-batches in flight, in bytes.
    pub activations: u64,
    /// Peak of the fullest GPU, in bytes.
    pub peak_bytes: u64,
    /// Whether the upper end of the range fits.
    pub fits: bool,
    /// Seconds per step.
    pub seconds: f64,
}

pub(super) fn choices(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
) -> Result<Vec<RecomputationChoice>, PlanError> {
    let choice = |recompute| {
        let layout = Layout {
            recompute,
            ..layout.clone()
        };
        let memory = estimate_with(config, &layout, gpu, &options.memory)?;
        let time = step_time(
            config,
            cluster,
            &layout,
            gpu,
            options,
            memory.most_parameters(),
        )?;
        let stages = &memory.stages;
        let largest = |pick: fn(&crate::memory::StageMemory) -> u64| {
            stages.iter().map(pick).max().unwrap_or(0)
        };
        Ok(RecomputationChoice {
            recompute,
            activations_per_micro_batch: largest(|stage| stage.activations_per_micro_batch),
            activations: largest(|stage| stage.activations),
            peak_bytes: memory.peak_bytes,
            fits: memory.fits,
            seconds: time.seconds,
        })
    };
    Recompute::ALL.into_iter().map(choice).collect()
}
