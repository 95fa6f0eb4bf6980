//! All legal layouts of a configuration on a cluster that fit into memory, by seconds per step.

mod candidates;
mod explain;
mod smallest;

pub use explain::{Difference, Explanation};
pub use smallest::smallest;

use crate::hardware::{Gpu, gpu};
use crate::memory::{MemoryEstimate, estimate_with};
use crate::options::PlanOptions;
use crate::step_time::{Terms, step_time};
use crate::text::gib;
use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;
use serde::Serialize;
use std::fmt::Write as _;
use words::{Table, decimal};

/// A layout that is legal and fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The layout.
    pub layout: Layout,
    /// Seconds per step.
    pub seconds: f64,
    /// Where they go.
    pub terms: Terms,
    /// Memory of the fullest GPU.
    pub peak_bytes: u64,
    /// Model FLOPs utilisation.
    pub mfu: f64,
}

/// Result of a search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Search {
    /// Legal layouts that were looked at.
    pub legal: usize,
    /// Those that fit, fastest first; of equally fast ones, the smallest first.
    pub ranked: Vec<Candidate>,
    /// Memory of the fullest GPU of the layout that comes closest, when none fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_peak_bytes: Option<u64>,
    /// Memory of the GPU, into which the upper end of the range fits.
    pub limit_bytes: u64,
}

/// Searches tensor × pipeline × data × context × micro-batch × recomputation × schedule × sequence parallelism ×
/// sharding × attention with and without scores, and uneven stages where no rule makes them equal; batch and padding
/// are those of `like`.
pub fn search(
    config: &Config,
    cluster: &Cluster,
    like: &Layout,
    options: &PlanOptions,
) -> Result<Search, PlanError> {
    let gpu = gpu(&cluster.gpu)?;
    let layouts = candidates::legal(config, cluster, like)?;
    let mut ranked = Vec::new();
    let mut smallest: Option<u64> = None;
    for layout in &layouts {
        let memory = estimate_with(config, layout, gpu, &options.memory)?;
        smallest = Some(smallest.map_or(memory.peak_bytes, |least| least.min(memory.peak_bytes)));
        if memory.fits {
            ranked.push(candidate(config, cluster, layout, gpu, options, &memory)?);
        }
    }
    ranked.sort_by(|a, b| {
        let by_time = a.seconds.total_cmp(&b.seconds);
        by_time.then(a.peak_bytes.cmp(&b.peak_bytes))
    });
    Ok(Search {
        legal: layouts.len(),
        smallest_peak_bytes: smallest.filter(|_| ranked.is_empty()),
        ranked,
        limit_bytes: gpu.memory_bytes,
    })
}

fn candidate(
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
    memory: &MemoryEstimate,
) -> Result<Candidate, PlanError> {
    let time = step_time(
        config,
        cluster,
        layout,
        gpu,
        options,
        memory.most_parameters(),
    )?;
    Ok(Candidate {
        layout: layout.clone(),
        seconds: time.seconds,
        terms: time.terms,
        peak_bytes: memory.peak_bytes,
        mfu: time.rates.mfu,
    })
}

/// What divides state and sequences (`cp`: context ranks), and attention without scores.
fn techniques(layout: &Layout) -> String {
    let mut words = vec![layout.sharding.name().to_owned()];
    if layout.sequence_parallel {
        words.push("seq".to_owned());
    }
    if layout.context_parallel > 1 {
        words.push(format!("cp{}", layout.context_parallel));
    }
    if layout.flash_attention {
        words.push("flash".to_owned());
    }
    if layout.uneven_stages {
        words.push("uneven".to_owned());
    }
    words.join(" ")
}

impl Search {
    /// The best `rows` layouts as a table.
    #[must_use]
    pub fn text(&self, rows: usize) -> String {
        let mut text = format!(
            "{} legal layouts, {} within {} GiB per GPU\n",
            self.legal,
            self.ranked.len(),
            gib(self.limit_bytes)
        );
        if let Some(bytes) = self.smallest_peak_bytes {
            let _ = writeln!(text, "the smallest needs {} GiB", gib(bytes));
            return text;
        }
        let mut table = Table::of_numbers(
            &[
                "rank",
                "tensor",
                "pipe",
                "data",
                "micro",
                "with",
                "recompute",
                "schedule",
                "s/step",
                "MFU %",
                "GiB",
            ],
            &[5, 6, 7],
        );
        for (index, candidate) in self.ranked.iter().take(rows).enumerate() {
            let layout = &candidate.layout;
            let chunks = if layout.chunks > 1 {
                format!(" × {}", layout.chunks)
            } else {
                String::new()
            };
            table.row([
                (index + 1).to_string(),
                layout.tensor_parallel.to_string(),
                layout.pipeline_parallel.to_string(),
                layout.data_parallel.to_string(),
                layout.micro_batch.to_string(),
                techniques(layout),
                layout.recompute.name().to_owned(),
                format!("{}{chunks}", layout.schedule.name()),
                decimal(candidate.seconds, 2),
                decimal(100.0 * candidate.mfu, 1),
                gib(candidate.peak_bytes),
            ]);
        }
        text.push_str(&table.render(2));
        text
    }
}

#[cfg(test)]
mod tests;
