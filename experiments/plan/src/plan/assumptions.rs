//! What a plan rests on beside the configuration, in sentences.

use crate::energy::Energy;
use crate::hardware::{Generation, Gpu, Link};
use crate::options::PlanOptions;
use crate::step_time::StepTime;
use crate::{Layout, Sharding, Trainer};
use words::thousands;

pub(super) fn assumptions(
    gpu: &Gpu,
    layout: &Layout,
    options: &PlanOptions,
    time: &StepTime,
    energy: &Energy,
) -> Vec<String> {
    let memory = &options.memory;
    let source = match (options.efficiency, gpu.product_efficiency, gpu.generation) {
        (Some(_), _, _) => "given",
        (None, Some(_), _) => "of the GPU's file",
        (None, None, Generation::Other) => {
            "no step of this GPU was fitted: between the A100's and the H100's"
        }
        (None, None, _) => "fitted to published steps",
    };
    let link = |link: &Link| {
        format!(
            "{}: {:.0} % of {:.0} GB/s, {:.0} µs",
            link.title,
            100.0 * link.efficiency,
            link.bandwidth / 1e9,
            link.latency * 1e6
        )
    };
    vec![
        format!(
            "large matrix products attain {:.1} % of the peak ({source})",
            100.0 * time.efficiency
        ),
        format!(
            "{} bytes of context, buffers and workspaces per GPU; at most {:.0} % and {} bytes more than is counted",
            thousands(memory.overhead_bytes),
            100.0 * memory.fragmentation,
            thousands(memory.more_overhead_bytes),
        ),
        format!(
            "trained with {}; replicas divide {}; checkpoints {}; sequence parallelism {}",
            time.trainer.name(),
            divided(layout.sharding),
            if memory.partition_checkpoints {
                "divided over the tensor ranks"
            } else {
                "whole"
            },
            if layout.sequence_parallel {
                "on"
            } else {
                "off"
            },
        ),
        format!(
            "links: {}; {} ({} ports per node)",
            link(&gpu.intra_node),
            link(&gpu.network),
            gpu.network_ports
        ),
        match time.trainer {
            Trainer::MegatronLm | Trainer::MegatronDeepspeed => {
                "communication is not overlapped with computation"
            }
            Trainer::MegatronCore | Trainer::Fsdp => {
                "most communication is overlapped with computation"
            }
        }
        .to_owned(),
        format!(
            "{:.0} W per GPU, power usage effectiveness {:.2}, {} kg CO2e per kWh",
            energy.watts_per_gpu, energy.pue, options.energy.kg_per_kwh
        ),
        "days are without interruptions and without the smaller batches of a ramp".to_owned(),
    ]
}

fn divided(sharding: Sharding) -> &'static str {
    match sharding {
        Sharding::None => "nothing",
        Sharding::Zero1 => "optimiser state (ZeRO-1)",
        Sharding::Zero2 => "optimiser state and gradients (ZeRO-2)",
        Sharding::Zero3 => "all state (ZeRO-3)",
        Sharding::Fsdp => "all state (FSDP)",
    }
}
