//! `workbench preflight`.

use super::spread::spread;
use crate::cli::Preflight as Arguments;
use crate::console;
use crate::failure::{Failure, exit};
use experiments_plan::PlanOptions;
use experiments_plan::plan::plan;
use experiments_plan::preflight::{Node, NodeList, PreflightInput, Verdict, preflight};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = super::config::load(&arguments.what, &arguments.set)?;
    let (cluster, layout) = spread(&arguments.spread, &config)?;
    for (name, value) in [("--disk", arguments.disk), ("--write", arguments.write)] {
        if value.is_some_and(|value| !(value.is_finite() && value > 0.0)) {
            return Err(Failure::usage(format!(
                "`{name}` must be a finite number above 0"
            )));
        }
    }
    let nodes = match &arguments.nodes_file {
        Some(file) => NodeList::read(file)?,
        None => assumed(cluster.nodes),
    };
    // Where the layout is illegal there is no plan, and the checks say why.
    let planned = plan(&config, &cluster, &layout, &PlanOptions::default()).ok();
    let result = preflight(&PreflightInput {
        config: &config,
        layout: &layout,
        cluster: &cluster,
        nodes: &nodes,
        free_disk_bytes: arguments.disk.map(|gigabytes| (gigabytes * 1e9) as u64),
        write_bytes_per_second: arguments.write.map(|gigabytes| gigabytes * 1e9),
        step_seconds: planned.map(|plan| plan.time.seconds),
        results: &arguments.results,
    })?;
    if arguments.json {
        console::print_json(&result)?;
    } else {
        console::print(&result.text())?;
    }
    Ok(match result.verdict {
        Verdict::NoGo => ExitCode::from(exit::FAILED),
        Verdict::Go | Verdict::Warn => ExitCode::SUCCESS,
    })
}

/// As many nodes as the command line names, of which nothing else is known.
fn assumed(count: u64) -> NodeList {
    let node = |number| Node {
        name: format!("node-{number}"),
        gpus: None,
        gpu_memory_gib: None,
        line: number as usize,
    };
    // A cluster beyond this is refused by the layout's own check.
    let count = count.min(1_000_000);
    NodeList {
        file: "--nodes".to_owned(),
        nodes: (1..=count).map(node).collect(),
    }
}
