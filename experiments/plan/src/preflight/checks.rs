//! Nodes, layout, batch ramp and memory.

use super::{Check, Node, PreflightInput};
use crate::Batches;
use crate::text::gib;
use crate::{PlanError, Recompute, hardware, memory as estimator};
use experiments_config::Format;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use words::{decimal, thousands};

/// A list of hosts that stays readable.
fn some<'a>(nodes: impl ExactSizeIterator<Item = &'a Node>) -> String {
    let more = nodes.len().saturating_sub(5);
    let shown = nodes
        .take(5)
        .map(|node| format!("{} (line {})", node.name, node.line));
    let shown = shown.collect::<Vec<_>>().join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}

pub(super) fn nodes(input: &PreflightInput) -> Vec<Check> {
    let (nodes, cluster) = (&input.nodes.nodes, input.cluster);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *seen.entry(node.name.as_str()).or_default() += 1;
    }
    let repeated = |node: &&Node| seen[node.name.as_str()] > 1;
    let repeated: Vec<_> = nodes.iter().filter(repeated).collect();
    let (needed, have) = (cluster.nodes, seen.len() as u64);
    let count = format!(
        "{} nodes in `{}`, the layout takes {}",
        thousands(have),
        input.nodes.file,
        thousands(needed)
    );
    let mut checks = vec![match have.cmp(&needed) {
        Ordering::Less => Check::no_go(
            "nodes",
            count,
            format!("{} more nodes, or plan with --nodes {have}", needed - have),
        ),
        Ordering::Equal => Check::go("nodes", count),
        Ordering::Greater => Check::go("nodes", format!("{count}; {} spare", have - needed)),
    }];
    checks.push(if repeated.is_empty() {
        Check::go("duplicates", "every node is listed once")
    } else {
        Check::no_go(
            "duplicates",
            format!("listed more than once: {}", some(repeated.into_iter())),
            "list each node once",
        )
    });
    checks.push(gpus(input));
    checks
}

fn gpus(input: &PreflightInput) -> Check {
    let needed = input.cluster.gpus_per_node;
    let nodes = &input.nodes.nodes;
    let fewer: Vec<_> = nodes
        .iter()
        .filter(|n| n.gpus.is_some_and(|gpus| gpus < needed))
        .collect();
    let unknown = nodes.iter().filter(|node| node.gpus.is_none()).count();
    let enough = nodes.len() - fewer.len() - unknown;
    if !fewer.is_empty() && (enough + unknown) < input.cluster.nodes as usize {
        return Check::no_go(
            "GPUs per node",
            format!(
                "{} have fewer than {needed}: {}",
                fewer.len(),
                some(fewer.into_iter())
            ),
            "replace these nodes, or plan with fewer GPUs per node",
        );
    }
    if !fewer.is_empty() {
        return Check::warn(
            "GPUs per node",
            format!(
                "{} of the spares have fewer than {needed}: {}",
                fewer.len(),
                some(fewer.into_iter())
            ),
            "leave them out of the job",
        );
    }
    if unknown > 0 {
        return Check::warn(
            "GPUs per node",
            format!(
                "not given for {unknown} of {} nodes; the layout takes {needed}",
                nodes.len()
            ),
            "write `gpus=N` behind the names",
        );
    }
    Check::go("GPUs per node", format!("at least {needed} on every node"))
}

pub(super) fn layout(input: &PreflightInput) -> Vec<Check> {
    let violations = input.layout.violations(input.config, input.cluster);
    let mut checks: Vec<_> = violations
        .iter()
        .map(|error| Check::broken("layout", error))
        .collect();
    if checks.is_empty() {
        checks.push(Check::go(
            "layout",
            format!("{} is legal", input.layout.text()),
        ));
        let warnings = input.layout.warnings(input.config, input.cluster);
        checks.extend(warnings.into_iter().map(|warning| {
            Check::warn("layout", warning, "`workbench plan` lists the alternatives")
        }));
    }
    checks
}

/// Every stair of the ramp must be whole micro-batches on every replica.
pub(super) fn batch(input: &PreflightInput) -> Vec<Check> {
    let (config, layout) = (input.config, input.layout);
    let batches = match Batches::of(config) {
        Ok(batches) => batches,
        Err(error) => return vec![Check::broken("batch", &error)],
    };
    let mut checks = Vec::new();
    if layout.global_batch != batches.last {
        checks.push(Check::no_go(
            "batch",
            format!(
                "the layout's batch is {}, the configuration's {} after the ramp",
                layout.global_batch, batches.last
            ),
            format!("plan with a batch of {}", batches.last),
        ));
    }
    let unit = match layout.micro_batch_unit() {
        Ok(unit) => unit,
        Err(error) => return vec![Check::broken("batch", &error)],
    };
    let whole = |batch: &u64| batch.is_multiple_of(unit);
    let broken = batches.stairs.iter().find(|stair| !whole(&stair.batch));
    let (stairs, first) = (
        batches.stairs.len(),
        batches.stairs.first().map_or(batches.last, |s| s.batch),
    );
    checks.push(match broken {
        Some(stair) => Check::no_go(
            "batch ramp",
            format!(
                "from step {} the batch is {} sequences, not a multiple of {} replicas × micro-batch {} = {unit}",
                thousands(stair.step), stair.batch, layout.data_parallel, layout.micro_batch
            ),
            format!(
                "nearest legal: {}, or other replicas or micro-batch",
                crate::nearest::nearest_multiples(stair.batch, unit)
            ),
        ),
        None if stairs <= 1 => Check::go(
            "batch ramp",
            format!("none; {} sequences are {} micro-batches of each replica", batches.last, batches.last / unit),
        ),
        None => {
            let smallest = batches.stairs.iter().map(|stair| stair.batch).min().unwrap_or(first);
            let micro = smallest / unit;
            let stages = layout.pipeline_parallel;
            let bubble = stages.saturating_sub(1) as f64 / (micro + stages.saturating_sub(1)).max(1) as f64;
            Check::go(
                "batch ramp",
                format!(
                    "{stairs} sizes, {first} to {}, all multiples of {unit}; at {smallest} a replica has {micro} \
                     micro-batches and the pipeline idles {} % of the time",
                    batches.last,
                    decimal(100.0 * bubble, 1)
                ),
            )
        }
    });
    checks
}

pub(super) fn memory(input: &PreflightInput) -> Result<Vec<Check>, PlanError> {
    let gpu = hardware::gpu(&input.cluster.gpu)?;
    let mut checks = Vec::new();
    if input.config.precision.format == Format::Bf16 && gpu.peak_flops.bf16.is_none() {
        checks.push(Check::no_go(
            "number format",
            format!("{} has no bfloat16", gpu.title),
            "precision.format = \"fp16\"",
        ));
    }
    let estimate = match estimator::estimate(input.config, input.layout, gpu) {
        Ok(estimate) => estimate,
        Err(error) => {
            checks.push(Check::broken("memory", &error));
            return Ok(checks);
        }
    };
    let needed = estimate.peak_bytes.saturating_add(estimate.reserve_bytes);
    let reason = format!(
        "stage {} needs {} GiB at its peak and up to {} GiB that cannot be counted; {} has {} GiB",
        estimate.worst_stage,
        gib(estimate.peak_bytes),
        gib(estimate.reserve_bytes),
        gpu.title,
        gib(estimate.capacity_bytes)
    );
    checks.push(if estimate.fits {
        Check::go("memory", reason)
    } else {
        let more = "more tensor or pipeline ranks, or a larger GPU";
        let fix = match input.layout.recompute {
            Recompute::Full => more.to_owned(),
            _ => format!("full recomputation, {more}"),
        };
        Check::no_go("memory", reason, fix)
    });
    let small = |node: &&Node| {
        let bytes = node.gpu_memory_gib.map(|gib| gib * 1_073_741_824.0);
        bytes.is_some_and(|bytes| bytes < needed as f64)
    };
    let small: Vec<_> = input.nodes.nodes.iter().filter(small).collect();
    if !small.is_empty() {
        checks.push(Check::no_go(
            "memory of the nodes",
            format!(
                "{} nodes have GPUs with less than {} GiB: {}",
                small.len(),
                gib(needed),
                some(small.into_iter())
            ),
            "leave them out, or plan for their GPU",
        ));
    }
    Ok(checks)
}
