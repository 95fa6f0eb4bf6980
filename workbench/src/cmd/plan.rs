//! `workbench plan`.

mod table;

use super::spread::spread;
use crate::cli::Plan as Arguments;
use crate::console;
use crate::failure::Failure;
use experiments_config::Config;
use experiments_plan::failure::{self, FailureEstimate, FailureInput};
use experiments_plan::home::home;
use experiments_plan::pipeline::{PipelineInput, Timeline, simulate, timeline_svg, timeline_text};
use experiments_plan::plan::{Plan, plan};
use experiments_plan::published::published;
use experiments_plan::search::{Explanation, Search, search};
use experiments_plan::step_time::Fitted;
use experiments_plan::{PlanOptions, is_glm_130b};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Width of the terminal's timeline.
const WIDTH: usize = 110;

/// What `--json` prints.
#[derive(Serialize)]
struct Planned {
    plan: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<Search>,
    /// Where the layout that was asked for stands among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<FailureEstimate>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments
        .timeline
        .as_deref()
        .map_or(Ok(()), logs::output::check)?;
    if let Some(command) = &arguments.table {
        return table::run(command);
    }
    let Some(what) = &arguments.what else {
        return Err(Failure::usage("name a preset or a configuration file"));
    };
    let config = super::config::load(what, &arguments.set)?;
    if arguments.failures && !is_glm_130b(&config) {
        return Err(Failure::usage(
            "`--failures` knows the failures of GLM-130B's run alone, and no other model's; expected `glm-130b`",
        ));
    }
    if arguments.at_home {
        return at_home(&config, arguments.json);
    }
    let (cluster, layout) = spread(&arguments.spread, &config)?;
    let mut options = PlanOptions {
        efficiency: arguments.efficiency,
        trainer: arguments.trainer,
        fp8: arguments.fp8,
        tokens: arguments.tokens,
        measured_seconds: arguments.measured_seconds,
        ..PlanOptions::of(&config).with_memory(&arguments.memory)?
    };
    if let Some(file) = &arguments.fit {
        options = options.with_fit(Fitted::read(file)?);
    }
    let found = arguments
        .search
        .map(|_| search(&config, &cluster, &layout, &options))
        .transpose()?;
    let mut plan = plan(&config, &cluster, &layout, &options)?;
    if arguments.published {
        plan.published = published(&config, &cluster, &layout, &options)?;
    }
    let planned = Planned {
        explanation: found.as_ref().and_then(|found| found.explain(&layout)),
        search: found,
        failures: arguments
            .failures
            .then(|| failures(cluster.nodes, arguments.measured_seconds, &plan))
            .transpose()?,
        plan,
    };
    if arguments.json {
        console::print_json(&planned)?;
    } else {
        show(&planned, arguments.search.unwrap_or(0))?;
    }
    if let Some(file) = &arguments.timeline {
        draw(&planned.plan, what, file, arguments.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the trained model needs to answer.
fn at_home(config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let home = home(config)?;
    if json {
        console::print_json(&home)?;
    } else {
        console::print(&home.text())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(planned: &Planned, rows: usize) -> Result<(), Failure> {
    console::print(&planned.plan.text())?;
    if let Some(search) = &planned.search {
        console::print(&format!("\n{}", search.text(rows)))?;
    }
    if let Some(explanation) = &planned.explanation {
        console::print(&format!("\n{}", explanation.text()))?;
    }
    if let Some(failures) = &planned.failures {
        console::print(&format!("\n{}", failures.text()))?;
    }
    Ok(())
}

/// The pipeline of one step with the plan's own times: SVG into `file`, lanes of characters on the
/// terminal.
fn draw(plan: &Plan, what: &str, file: &Path, quiet: bool) -> Result<(), Failure> {
    let layout = &plan.layout;
    let timeline: Timeline = simulate(&PipelineInput {
        stages: layout.pipeline_parallel,
        micro_batches: plan.micro_batches,
        chunks: layout.chunks,
        schedule: layout.schedule,
        forward_seconds: plan.time.forward_seconds,
        backward_seconds: plan.time.backward_seconds,
        // The plan's passes already hold their messages.
        send_seconds: 0.0,
    })?;
    let svg = timeline_svg(&timeline, &format!("{what} · {}", layout.text()))?;
    crate::figure::write(file, svg)?;
    if !quiet {
        console::print(&format!("\n{}", timeline_text(&timeline, WIDTH)))?;
        console::written(file)?;
    }
    Ok(())
}

/// The real run's failure rate on this cluster, with the plan's step time.
fn failures(nodes: u64, measured: Option<f64>, plan: &Plan) -> Result<FailureEstimate, Failure> {
    let real = FailureInput::glm_130b()?;
    Ok(failure::estimate(&FailureInput {
        nodes,
        step_seconds: measured.unwrap_or(plan.time.seconds),
        ..real
    })?)
}
