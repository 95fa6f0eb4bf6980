//! `workbench detect`.

use crate::cli::{Detect, DetectBench};
use crate::console::{self, say};
use crate::failure::Failure;
use rayon::prelude::*;
use std::process::ExitCode;
use sweeps::evaluation::{LabelledRun, Labels, evaluate, examine, run_directories};

pub(crate) fn run(command: &Detect) -> Result<ExitCode, Failure> {
    match command {
        Detect::Bench(arguments) => bench(arguments),
    }
}

fn bench(arguments: &DetectBench) -> Result<ExitCode, Failure> {
    let price = arguments.false_alarms;
    if !(price > 0.0 && price.is_finite()) {
        return Err(Failure::usage("`--false-alarms` must be a number above 0"));
    }
    arguments
        .plot
        .as_deref()
        .map_or(Ok(()), logs::output::check)?;
    let dirs = run_directories(&arguments.dirs)?;
    let labels = match &arguments.labels {
        Some(file) => Labels::read(file, &dirs)?,
        None => Labels::Rule,
    };
    // One run at a time and thread: 300 runs with all their layers would not fit into a small memory.
    let runs: Vec<LabelledRun> = dirs.par_iter().map(|dir| examine(dir, &labels)).collect();
    let evaluation = evaluate(&runs, &labels, price);
    // The answer comes first, whatever could not be written beside it.
    if arguments.json {
        console::print_json(&evaluation)?;
    } else {
        console::print(&evaluation.text())?;
    }
    if let Some(file) = &arguments.plot {
        let svg = workbench_report::detectors_svg(&evaluation)?;
        crate::figure::write(file, svg)?;
        say(&format!("written: {}", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}
