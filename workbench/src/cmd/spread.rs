//! A cluster and a layout from the command line.

use crate::cli::{RecomputeName, ScheduleName, Spread};
use crate::failure::Failure;
use experiments_config::Config;
use experiments_plan::search::smallest;
use experiments_plan::{
    Cluster, Layout, PlanOptions, Recompute, Schedule, global_batch, is_glm_130b,
};

/// What is taken where nothing is said.
struct Defaults {
    nodes: u64,
    gpus_per_node: u64,
    tensor_parallel: u64,
    pipeline_parallel: u64,
}

/// As GLM-130B was trained.
const GLM_130B: Defaults = Defaults {
    nodes: 96,
    gpus_per_node: 8,
    tensor_parallel: 4,
    pipeline_parallel: 8,
};

const ONE_GPU: Defaults = Defaults {
    nodes: 1,
    gpus_per_node: 1,
    tensor_parallel: 1,
    pipeline_parallel: 1,
};

/// What the arguments say for a configuration. Nothing is checked but that the degrees are above 0.
pub(super) fn spread(arguments: &Spread, config: &Config) -> Result<(Cluster, Layout), Failure> {
    let asked = [
        arguments.nodes,
        arguments.gpus_per_node,
        arguments.tensor_parallel,
        arguments.pipeline_parallel,
        arguments.data_parallel,
    ];
    let found = with_defaults(arguments, config, &GLM_130B);
    if asked.iter().any(Option::is_some) {
        return found;
    }
    if is_glm_130b(config)
        && let Ok((cluster, layout)) = &found
        && layout.check(config, cluster).is_ok()
    {
        return found;
    }
    let (cluster, layout) = with_defaults(arguments, config, &ONE_GPU)?;
    let smaller = smallest(config, &cluster, &layout, &PlanOptions::of(config))?;
    Ok(smaller.unwrap_or((cluster, layout)))
}

fn with_defaults(
    arguments: &Spread,
    config: &Config,
    defaults: &Defaults,
) -> Result<(Cluster, Layout), Failure> {
    let cluster = Cluster {
        nodes: arguments.nodes.unwrap_or(defaults.nodes),
        gpus_per_node: arguments.gpus_per_node.unwrap_or(defaults.gpus_per_node),
        gpu: arguments.gpu.clone(),
    };
    let tensor_parallel = arguments
        .tensor_parallel
        .unwrap_or(defaults.tensor_parallel);
    let pipeline_parallel = arguments
        .pipeline_parallel
        .unwrap_or(defaults.pipeline_parallel);
    let model_parallel = tensor_parallel
        .checked_mul(pipeline_parallel)
        .and_then(|degree| degree.checked_mul(arguments.context_parallel))
        .filter(|degree| *degree > 0)
        .ok_or_else(|| {
            Failure::usage("`--tensor-parallel`, `--pipeline-parallel` and `--context-parallel` must be above 0")
        })?;
    let gpus = cluster.gpus()?;
    let layout = Layout {
        tensor_parallel,
        pipeline_parallel,
        data_parallel: arguments
            .data_parallel
            .unwrap_or((gpus / model_parallel).max(1)),
        micro_batch: arguments
            .micro_batch
            .unwrap_or(config.batch.micro_batch as u64),
        global_batch: global_batch(config),
        recompute: match arguments.recompute {
            RecomputeName::None => Recompute::None,
            RecomputeName::Selective => Recompute::Selective,
            RecomputeName::Full => Recompute::Full,
        },
        schedule: match arguments.schedule {
            ScheduleName::OneForwardOneBackward => Schedule::OneForwardOneBackward,
            ScheduleName::Gpipe => Schedule::Gpipe,
            ScheduleName::Interleaved => Schedule::Interleaved,
        },
        chunks: arguments.chunks,
        uneven_stages: arguments.uneven_stages,
        context_parallel: arguments.context_parallel,
        sequence_parallel: arguments.sequence_parallel,
        sharding: arguments.sharding,
        flash_attention: arguments.flash_attention,
        vocab_multiple: arguments.vocab_multiple,
    };
    Ok((cluster, layout))
}
