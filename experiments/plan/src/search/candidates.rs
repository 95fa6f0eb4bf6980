//! Enumeration of legal layouts.

use crate::hardware::gpu;
use crate::layout::{has_flash, is_legal};
use crate::size::positive;
use crate::{Cluster, Layout, PlanError, Recompute, Schedule, Sharding};
use experiments_config::Config;

/// Most layouts that are looked at; a cluster that allows more is refused rather than left to run
/// for minutes.
const MOST: usize = 500_000;

/// Most context ranks that are tried.
const MOST_CONTEXT: u64 = 16;

/// Every legal layout. Whether equal stages may be uneven is as in `like`.
pub(super) fn legal(
    config: &Config,
    cluster: &Cluster,
    like: &Layout,
) -> Result<Vec<Layout>, PlanError> {
    let world = below_limit("GPUs", cluster.gpus()?)?;
    let global_batch = below_limit("global_batch", positive("global_batch", like.global_batch)?)?;
    let attentions = attentions(config, cluster)?;
    let mut layouts = Vec::new();
    for tensor_parallel in tensor_degrees(config, world) {
        for (context_parallel, flash_attention) in &attentions {
            let model_parallel = tensor_parallel * context_parallel;
            if !world.is_multiple_of(model_parallel) {
                continue;
            }
            let base = Layout {
                tensor_parallel,
                context_parallel: *context_parallel,
                flash_attention: *flash_attention,
                global_batch,
                ..like.clone()
            };
            pipelines(config, &base, world / model_parallel, &mut layouts);
            if layouts.len() > MOST {
                return Err(PlanError::Size {
                    what: "layouts to search".to_owned(),
                    value: format!("more than {MOST}"),
                    expected: "fewer GPUs or a batch with fewer divisors would be searched"
                        .to_owned(),
                });
            }
        }
    }
    layouts.retain(|layout| layout.check(config, cluster).is_ok());
    Ok(layouts)
}

/// Stages, replicas, micro-batches and everything that depends on them, for given tensor and context ranks, of which
/// there are `groups`. Ends early where there are more than [`MOST`].
fn pipelines(config: &Config, base: &Layout, groups: u64, layouts: &mut Vec<Layout>) {
    let layers = config.model.layers as u64;
    for pipeline_parallel in divisors(groups, layers) {
        let data_parallel = groups / pipeline_parallel;
        if layouts.len() > MOST {
            return;
        }
        if !base.global_batch.is_multiple_of(data_parallel) {
            continue;
        }
        let sequences = base.global_batch / data_parallel;
        let uneven = !is_legal(layers, pipeline_parallel);
        for micro_batch in divisors(sequences, sequences) {
            for (schedule, chunks) in schedules(config, pipeline_parallel, sequences / micro_batch)
            {
                for (sequence_parallel, sharding) in
                    techniques(base, base.tensor_parallel, pipeline_parallel)
                {
                    layouts.extend(
                        recomputations(base.flash_attention)
                            .iter()
                            .map(|&recompute| Layout {
                                pipeline_parallel,
                                data_parallel,
                                micro_batch,
                                recompute,
                                schedule,
                                chunks,
                                uneven_stages: base.uneven_stages || uneven,
                                sequence_parallel,
                                sharding,
                                ..base.clone()
                            }),
                    );
                }
            }
        }
    }
}

/// Context ranks, and whether attention keeps no scores, as far as kernels and sequence allow.
fn attentions(config: &Config, cluster: &Cluster) -> Result<Vec<(u64, bool)>, PlanError> {
    let mut attentions = vec![(1, false)];
    if !has_flash(config, gpu(&cluster.gpu)?) {
        return Ok(attentions);
    }
    let slots = config.model.seq_len as u64;
    let contexts = (0..=MOST_CONTEXT.ilog2()).map(|power| 1 << power);
    attentions.extend(
        contexts
            .filter(|ranks| *ranks == 1 || slots.is_multiple_of(2 * ranks))
            .map(|ranks| (ranks, true)),
    );
    Ok(attentions)
}

/// What can be recomputed: beside `FlashAttention` there are no scores that could be.
fn recomputations(flash_attention: bool) -> &'static [Recompute] {
    if flash_attention {
        &[Recompute::None, Recompute::Full]
    } else {
        &Recompute::ALL
    }
}

/// Divisors of larger numbers would take too long to find.
fn below_limit(what: &str, value: u64) -> Result<u64, PlanError> {
    if u32::try_from(value).is_ok() {
        return Ok(value);
    }
    Err(PlanError::Size {
        what: what.to_owned(),
        value: value.to_string(),
        expected: format!("must be at most {} in a search", u32::MAX),
    })
}

/// Tensor degrees that divide the cluster and every size that they must.
fn tensor_degrees(config: &Config, world: u64) -> Vec<u64> {
    let model = &config.model;
    let sizes = [
        model.num_heads as u64,
        model.hidden_size as u64,
        model.ffn_hidden_size as u64,
        model.kv_heads() as u64,
    ];
    let all = |t: &u64| sizes.iter().all(|size| size.is_multiple_of(*t));
    let degrees = divisors(world, model.num_heads as u64);
    degrees.into_iter().filter(all).collect()
}

/// Sequence parallelism and sharding that tensor ranks and stages allow: those of `like`, sequence parallelism on
/// and off, and everything divided where there is no pipeline.
fn techniques(like: &Layout, tensor: u64, pipeline: u64) -> Vec<(bool, Sharding)> {
    let mut shardings = vec![like.sharding];
    if pipeline == 1 && !like.sharding.weights() {
        shardings.push(Sharding::Fsdp);
    }
    let parallel: &[bool] = if tensor > 1 { &[false, true] } else { &[false] };
    let pairs = shardings
        .into_iter()
        .flat_map(|sharding| parallel.iter().map(move |on| (*on, sharding)));
    pairs.collect()
}

/// Schedules and chunks that a pipeline allows.
fn schedules(config: &Config, stages: u64, micro_batches: u64) -> Vec<(Schedule, u64)> {
    let mut schedules = vec![(Schedule::OneForwardOneBackward, 1)];
    if stages < 2 {
        return schedules;
    }
    schedules.push((Schedule::Gpipe, 1));
    if micro_batches.is_multiple_of(stages) {
        let layers = config.model.layers as u64;
        let legal = (2..=layers / stages).filter(|chunks| is_legal(layers, stages * chunks));
        schedules.extend(legal.map(|chunks| (Schedule::Interleaved, chunks)));
    }
    schedules
}

/// Divisors of `n` up to `most`, in order.
fn divisors(n: u64, most: u64) -> Vec<u64> {
    let mut divisors = Vec::new();
    let mut small = 1;
    while small <= n / small.max(1) && small <= most {
        if n.is_multiple_of(small) {
            divisors.push(small);
            if n / small != small && n / small <= most {
                divisors.push(n / small);
            }
        }
        small += 1;
    }
    divisors.sort_unstable();
    divisors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A missing divisor is a missing layout.
    #[test]
    fn divisors_are_complete() {
        for n in 1..200 {
            let expected: Vec<u64> = (1..=n).filter(|k| n % k == 0).collect();
            assert_eq!(divisors(n, n), expected);
        }
        assert_eq!(divisors(768, 12), [1, 2, 3, 4, 6, 8, 12]);
    }
}
