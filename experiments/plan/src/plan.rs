//! The plan: everything about one configuration in one layout on one cluster.

mod assumptions;
mod recomputation;
mod summary;
mod text;

pub use recomputation::RecomputationChoice;
pub use summary::{Estimate, Interval, Summary};

use crate::budget::samples_after;
use crate::communication::Communication;
use crate::energy::{Energy, energy};
use crate::flops::Flops;
use crate::hardware::{Gpu, gpu};
use crate::memory::{MemoryEstimate, Tensor, estimate_with, layer_tensors};
use crate::model::Parameters;
use crate::options::PlanOptions;
use crate::published::row::PublishedRow;
use crate::size::product;
use crate::step_time::{Rates, StepTime, step_time};
use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What it comes to.
    pub summary: Summary,
    /// Parameters by component.
    pub parameters: Parameters,
    /// The cluster.
    pub cluster: Cluster,
    /// Its GPU.
    pub gpu: Gpu,
    /// The layout.
    pub layout: Layout,
    /// Micro-batches of one replica in one step.
    pub micro_batches: u64,
    /// Idle share of the pipeline's time, closed form.
    pub bubble: f64,
    /// Operations of one step.
    pub flops: Flops,
    /// Memory of every stage.
    pub memory: MemoryEstimate,
    /// What one layer keeps of one micro-batch when nothing is recomputed.
    pub layer_tensors: Vec<Tensor>,
    /// Memory and time under each choice of recomputation.
    pub recomputation: Vec<RecomputationChoice>,
    /// Who is connected how.
    pub communication: Communication,
    /// The modelled step.
    pub time: StepTime,
    /// Rates at the measured seconds, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Rates>,
    /// Tokens to train on.
    pub tokens: u64,
    /// Days for them, without interruptions.
    pub days: f64,
    /// Energy over these days.
    pub energy: Energy,
    /// Published figures beside ours: none until somebody joins those of [`crate::published::published`].
    pub published: Vec<PublishedRow>,
    /// Legal and still unwise.
    pub warnings: Vec<String>,
    /// What these numbers rest on beside the configuration.
    pub assumptions: Vec<String>,
}

/// Plans a configuration. Refuses an illegal layout; one that does not fit is planned all the
/// same, and says so ([`MemoryEstimate::fits`]).
pub fn plan(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let gpu = gpu(&cluster.gpu)?;
    let parameters = Parameters::of(config)?;
    layout.check(config, cluster)?;
    let memory = estimate_with(config, layout, gpu, &options.memory)?;
    let time = step_time(
        config,
        cluster,
        layout,
        gpu,
        options,
        memory.most_parameters(),
    )?;
    let flops = Flops::of(config, layout.global_batch, layout.recompute)?;
    let measured = options
        .measured_seconds
        .map(|seconds| Rates::of(config, layout, gpu, &flops, seconds))
        .transpose()?;
    let tokens = match options.tokens {
        Some(tokens) => tokens,
        None => product(
            "samples × model.seq_len",
            &[
                samples_after(config, config.steps)?,
                config.model.seq_len as u64,
            ],
        )?,
    };
    let days = measured.unwrap_or(time.rates).days(tokens as f64);
    let gpus = cluster.gpus()?;
    let energy = energy(&options.energy, gpu.tdp_watts, gpus, days)?;
    let seconds = options.measured_seconds.unwrap_or(time.seconds);
    let summary = Summary::of(
        Interval::of(gpu, options)?,
        &memory,
        [seconds, days, energy.mwh],
    );
    let mut warnings = layout.warnings(config, cluster);
    if !memory.fits {
        warnings.push(format!(
            "does not surely fit: stage {} needs {} GiB and up to {} GiB that cannot be counted, of {} GiB",
            memory.worst_stage,
            crate::text::gib(memory.peak_bytes),
            crate::text::gib(memory.reserve_bytes),
            crate::text::gib(memory.capacity_bytes),
        ));
    }
    Ok(Plan {
        summary,
        published: Vec::new(),
        layer_tensors: layer_tensors(config, layout),
        recomputation: recomputation::choices(config, cluster, layout, gpu, options)?,
        parameters,
        cluster: cluster.clone(),
        gpu: gpu.clone(),
        layout: layout.clone(),
        micro_batches: layout.micro_batches(),
        bubble: layout.bubble(),
        flops,
        communication: Communication::of(layout, cluster, gpu),
        assumptions: assumptions::assumptions(gpu, layout, options, &time, &energy),
        memory,
        time,
        measured,
        tokens,
        days,
        energy,
        warnings,
    })
}

#[cfg(test)]
mod tests;
