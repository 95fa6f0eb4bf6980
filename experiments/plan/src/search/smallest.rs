//! The smallest cluster that a model fits into.

use crate::hardware::gpu;
use crate::memory::estimate_with;
use crate::options::PlanOptions;
use crate::step_time::step_time;
use crate::{Cluster, Layout, PlanError};
use experiments_config::Config;

/// Most machines that are tried.
const MOST_NODES: u64 = 1024;

/// The smallest number of machines that the model fits into, and the fastest layout on them; one GPU if that is
/// enough. Tensor ranks stay within a machine; everything else is as in `like`. Absent if nothing fits.
pub fn smallest(
    config: &Config,
    like: &Cluster,
    layout: &Layout,
    options: &PlanOptions,
) -> Result<Option<(Cluster, Layout)>, PlanError> {
    let gpu = gpu(&like.gpu)?;
    let one = std::iter::once((1, 1));
    for (nodes, gpus_per_node) in
        one.chain((1..=MOST_NODES).map(|nodes| (nodes, gpu.gpus_per_node)))
    {
        let cluster = Cluster {
            nodes,
            gpus_per_node,
            gpu: like.gpu.clone(),
        };
        let gpus = nodes * gpus_per_node;
        let mut best: Option<(f64, Layout)> = None;
        for tensor in (0..)
            .map(|power| 1 << power)
            .take_while(|tensor| *tensor <= gpus_per_node.min(8))
        {
            for pipeline in (1..=config.model.layers as u64)
                .filter(|stages| gpus.is_multiple_of(tensor * stages))
            {
                let tried = Layout {
                    tensor_parallel: tensor,
                    pipeline_parallel: pipeline,
                    data_parallel: gpus / (tensor * pipeline),
                    ..layout.clone()
                };
                if tried.check(config, &cluster).is_err() {
                    continue;
                }
                let memory = estimate_with(config, &tried, gpu, &options.memory)?;
                if !memory.fits {
                    continue;
                }
                let time = step_time(
                    config,
                    &cluster,
                    &tried,
                    gpu,
                    options,
                    memory.most_parameters(),
                )?;
                if best
                    .as_ref()
                    .is_none_or(|(seconds, _)| time.seconds < *seconds)
                {
                    best = Some((time.seconds, tried));
                }
            }
        }
        if let Some((_, layout)) = best {
            return Ok(Some((cluster, layout)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{published_cluster, published_layout};
    use experiments_config::load_preset;

    /// One machine less does not hold the model, in any layout.
    #[test]
    fn nothing_smaller_fits() {
        let config = load_preset("llama-3-405b", &[]).unwrap();
        let layout = Layout {
            micro_batch: 1,
            global_batch: 2048,
            ..published_layout()
        };
        let like = Cluster {
            gpu: "h100".to_owned(),
            ..published_cluster()
        };
        let (cluster, found) = smallest(&config, &like, &layout, &PlanOptions::default())
            .unwrap()
            .unwrap();
        assert!((8..64).contains(&cluster.nodes), "{cluster:?}");
        found.check(&config, &cluster).unwrap();
        let t0 = load_preset("t0", &[]).unwrap();
        let layout = Layout {
            micro_batch: 1,
            global_batch: crate::global_batch(&t0),
            ..published_layout()
        };
        let (cluster, _) = smallest(&t0, &like, &layout, &PlanOptions::default())
            .unwrap()
            .unwrap();
        assert_eq!(cluster.gpus().unwrap(), 1);
    }
}
