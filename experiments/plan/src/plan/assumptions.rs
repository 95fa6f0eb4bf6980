//! What a plan rests on beside the configuration, in sentences.

use super::PlanOptions;
use crate::energy::Energy;
use crate::hardware::{Gpu, Link};
use crate::step_time::StepTime;
use words::thousands;

pub(super) fn assumptions(
    gpu: &Gpu,
    options: &PlanOptions,
    time: &StepTime,
    energy: &Energy,
) -> Vec<String> {
    let memory = &options.memory;
    let source = if options.efficiency.is_some() {
        "given"
    } else {
        gpu.efficiency_source.as_str()
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
            "stages attain {:.1} % of the peak ({source})",
            100.0 * time.efficiency
        ),
        format!(
            "{} bytes of context, buffers and workspaces per GPU; {:.0} % of its memory kept free",
            thousands(memory.overhead_bytes),
            100.0 * memory.reserve_share
        ),
        format!(
            "optimiser state {}; checkpoints {}; sequence parallelism {}",
            if memory.zero_1 {
                "divided over the replicas (ZeRO-1)"
            } else {
                "on every replica"
            },
            if memory.partition_checkpoints {
                "divided over the tensor ranks"
            } else {
                "whole"
            },
            if memory.sequence_parallel {
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
        "communication is not overlapped with computation".to_owned(),
        format!(
            "{:.0} W per GPU, power usage effectiveness {:.2}, {} kg CO2e per kWh",
            energy.watts_per_gpu, energy.pue, options.energy.kg_per_kwh
        ),
        "days are without interruptions and without the smaller batches of a ramp".to_owned(),
    ]
}
