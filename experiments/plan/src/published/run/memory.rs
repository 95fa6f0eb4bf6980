//! Memory of the run.

use super::super::Rows;
use crate::hardware::Gpu;
use crate::memory::{MemoryOptions, estimate, estimate_with};
use crate::{Cluster, Layout, PlanError};
use experiments_config::{Config, Format};

const GIB: f64 = 1_073_741_824.0;

pub(super) fn memory(
    rows: &mut Rows,
    config: &Config,
    cluster: &Cluster,
    layout: &Layout,
    gpu: &Gpu,
) -> Result<(), PlanError> {
    let found = estimate(config, layout, gpu)?;
    let Some(stage) = found.stages.get(found.worst_stage as usize) else {
        return Ok(());
    };
    let note = "Memory in use was not published.";
    let states = (stage.weights + stage.gradients) as f64 / GIB;
    rows.ours(
        ("weights and gradients of a GPU", "GiB"),
        states,
        "counted",
        note,
    );
    rows.ours(
        ("optimiser state of a GPU", "GiB"),
        stage.optimizer as f64 / GIB,
        "counted",
        "",
    );
    rows.ours(
        ("peak of the fullest GPU", "GiB"),
        found.peak_bytes as f64 / GIB,
        "modelled",
        "",
    );
    under_bf16(rows, config, layout, gpu, found.peak_bytes)?;
    fewest_nodes(rows, config, cluster, layout, gpu);
    Ok(())
}

fn under_bf16(
    rows: &mut Rows,
    config: &Config,
    layout: &Layout,
    gpu: &Gpu,
    peak_bytes: u64,
) -> Result<(), PlanError> {
    let mut wider = config.clone();
    wider.precision.format = Format::Bf16;
    wider.precision.grad_accumulation = Format::Fp32;
    let bf16 = estimate_with(&wider, layout, gpu, &MemoryOptions::default())?;
    let more = bf16.peak_bytes as f64 / peak_bytes as f64 - 1.0;
    rows.published(
        ("more memory under BF16", "%"),
        15.0,
        100.0 * more,
        "P §3",
        "The paper's \"about 15 %\" has no base. FP32 gradients are two more bytes of every \
         parameter: 18 for 16 without ZeRO, which is 12.5 %, and more where optimiser state is divided.",
    );
    Ok(())
}

fn fewest_nodes(rows: &mut Rows, config: &Config, cluster: &Cluster, layout: &Layout, gpu: &Gpu) {
    // With fewer replicas each holds more of the optimiser's state.
    let fits = |nodes: &u64| {
        let gpus = nodes * cluster.gpus_per_node;
        let pipeline = layout.tensor_parallel * layout.pipeline_parallel;
        gpus.is_multiple_of(pipeline) && {
            let fewer = Layout {
                data_parallel: gpus / pipeline,
                ..layout.clone()
            };
            let smaller = Cluster {
                nodes: *nodes,
                ..cluster.clone()
            };
            fewer.check(config, &smaller).is_ok()
                && estimate(config, &fewer, gpu).is_ok_and(|memory| memory.fits)
        }
    };
    if let Some(nodes) = (1..=cluster.nodes).find(fits) {
        rows.published(
            ("fewest nodes for 4 × 8 stages", ""),
            24.0,
            nodes as f64,
            "LS README",
            "Their minimum is what they recommend; ours is the smallest number whose modelled peak \
             fits.",
        );
    }
}
