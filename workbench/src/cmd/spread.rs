//! A cluster and a layout from the command line.

use crate::cli::{RecomputeName, ScheduleName, Spread};
use crate::failure::Failure;
use experiments_config::Config;
use experiments_plan::{Cluster, Layout, Recompute, Schedule, global_batch};

/// What the arguments say for a configuration. Nothing is checked but that the degrees are above 0.
pub(super) fn spread(arguments: &Spread, config: &Config) -> Result<(Cluster, Layout), Failure> {
    let cluster = Cluster {
        nodes: arguments.nodes,
        gpus_per_node: arguments.gpus_per_node,
        gpu: arguments.gpu.clone(),
    };
    let model_parallel = arguments
        .tensor_parallel
        .checked_mul(arguments.pipeline_parallel)
        .filter(|degree| *degree > 0)
        .ok_or_else(|| {
            Failure::usage("`--tensor-parallel` and `--pipeline-parallel` must be above 0")
        })?;
    let gpus = cluster.gpus()?;
    let layout = Layout {
        tensor_parallel: arguments.tensor_parallel,
        pipeline_parallel: arguments.pipeline_parallel,
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
    };
    Ok((cluster, layout))
}
