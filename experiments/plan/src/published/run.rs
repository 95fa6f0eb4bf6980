//! GLM-130B: the run on 96 DGX-A100.

mod memory;
mod throughput;

use super::Rows;
use crate::hardware::Gpu;
use crate::memory::estimate;
use crate::options::PlanOptions;
use crate::search::search;
use crate::step_time::step_time;
use crate::{
    Cluster, Layout, PlanError, Recompute, Schedule, Sharding, VOCAB_MULTIPLE, stage_layers,
};
use experiments_config::Config;

/// Seconds per step at the full batch (LOG).
const SECONDS: f64 = 88.5;

/// The larger batch that was tried, and its seconds per step (LOG).
const LARGER: (u64, f64) = (6144, 122.5);

/// The machines of GLM-130B (arXiv 2210.02414 §2.3).
pub(crate) fn published_cluster() -> Cluster {
    Cluster {
        nodes: 96,
        gpus_per_node: 8,
        gpu: "a100-40g".to_owned(),
    }
}

/// The layout of GLM-130B (arXiv 2210.02414 §2.3).
pub(crate) fn published_layout() -> Layout {
    Layout {
        tensor_parallel: 4,
        pipeline_parallel: 8,
        data_parallel: 24,
        micro_batch: 1,
        global_batch: 4224,
        recompute: Recompute::Full,
        schedule: Schedule::OneForwardOneBackward,
        chunks: 1,
        uneven_stages: false,
        context_parallel: 1,
        sequence_parallel: false,
        sharding: Sharding::Zero1,
        flash_attention: false,
        vocab_multiple: VOCAB_MULTIPLE,
    }
}

/// Whether cluster and layout are the published ones.
pub(super) fn is_run(cluster: &Cluster, layout: &Layout) -> bool {
    *cluster == published_cluster() && *layout == published_layout()
}

pub(super) fn rows(
    rows: &mut Rows,
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
) -> Result<(), PlanError> {
    partition(rows, config, cluster, layout)?;
    throughput::utilisation(rows, config, layout, gpu)?;
    seconds(rows, config, cluster, layout, gpu, options)?;
    rank(rows, config, cluster, layout, options)?;
    memory::memory(rows, config, cluster, layout, gpu)?;
    throughput::budget(rows, config, layout, gpu)
}

fn partition(
    rows: &mut Rows,
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
) -> Result<(), PlanError> {
    rows.published(("GPUs", ""), 768.0, cluster.gpus()? as f64, "P §2.3", "");
    let stages = stage_layers(config, layout)?;
    let units = (stages.iter().sum::<u64>() + 2) / layout.pipeline_parallel;
    rows.published(
        ("units per stage", ""),
        9.0,
        units as f64,
        "P §2.3, LS",
        "70 layers, the embedding and the output: 72 units on 8 stages, so that the first and the \
         last stage hold 8 layers.",
    );
    let vocab = 150_089_u64.next_multiple_of(768 * layout.tensor_parallel);
    rows.published(
        ("padded vocabulary", ""),
        150_528.0,
        vocab as f64,
        "R configs",
        "150,089 ids, padded to a multiple of 768 × 4.",
    );
    rows.published(
        ("micro-batches", ""),
        176.0,
        layout.micro_batches() as f64,
        "P §2.3",
        "",
    );
    rows.published(
        ("pipeline bubble", "%"),
        3.8,
        100.0 * layout.bubble(),
        "P eq. 5-6",
        "The paper rounds 7/183.",
    );
    Ok(())
}

fn seconds(
    rows: &mut Rows,
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
    options: &PlanOptions,
) -> Result<(), PlanError> {
    let parameters = estimate(config, layout, gpu)?.most_parameters();
    let modelled = |layout: &Layout| step_time(config, cluster, layout, gpu, options, parameters);
    rows.published(
        ("seconds per step, batch 4,224", ""),
        SECONDS,
        modelled(layout)?.seconds,
        "LOG",
        "Predicted by a fit to other systems.",
    );
    let larger = Layout {
        global_batch: LARGER.0,
        ..layout.clone()
    };
    rows.published(
        ("seconds per step, batch 6,144", ""),
        LARGER.1,
        modelled(&larger)?.seconds,
        "LOG",
        "Predicted as well.",
    );
    let wide = Layout {
        tensor_parallel: 8,
        pipeline_parallel: 4,
        ..layout.clone()
    };
    rows.ours(
        ("seconds per step, 8 × 4 × 24", ""),
        modelled(&wide)?.seconds,
        "modelled",
        "The paper says that 8 tensor ranks were slower than 4, without a number.",
    );
    Ok(())
}

fn rank(
    rows: &mut Rows,
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    options: &PlanOptions,
) -> Result<(), PlanError> {
    let found = search(config, cluster, layout, options)?;
    if let Some(place) = found.explain(layout) {
        rows.ours(
            ("rank among full recomputation, 1F1B", ""),
            place.rank_alike as f64,
            "searched",
            "What is faster pays less often what this trainer spends on each layer: larger micro-batches. \
             Selective recomputation (arXiv 2205.05198, 10 May 2022) was younger than the run, which began on 6 May; \
             DeepSpeed has no interleaved stages. The layout search lists both.",
        );
    }
    Ok(())
}
