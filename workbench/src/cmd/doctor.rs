//! `workbench doctor`: which devices are there? Are the checkpoints of a run what its records say?

mod devices;

use super::fork::trained_config;
use crate::cli::Doctor;
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use crate::signals::Stop;
use experiments::{CheckpointAudit, CheckpointAuditRequest, audit};
use experiments_text::Cache;
use std::fmt::Write as _;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Doctor, cache: &Cache) -> Result<ExitCode, Failure> {
    let Some(run) = &arguments.run else {
        return devices::list();
    };
    let config = trained_config(run)?;
    super::threads(config.runtime.threads);
    let stop = Stop::listen()?;
    let mut steps = Steps::new(config.steps);
    let found = audit(CheckpointAuditRequest {
        directory: run,
        config: &config,
        cache,
        reach: arguments.reach,
        stop: stop.flag(),
        on_step: &mut |record| steps.at(record.step, "compared"),
    });
    steps.end();
    let found = found?;
    for notice in &found.notices {
        say(&format!("note: {notice}"));
    }
    console::print(&text(&found))?;
    Ok(if stop.is_set() {
        ExitCode::from(exit::STOPPED)
    } else if found.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILED)
    })
}

fn text(found: &CheckpointAudit) -> String {
    let CheckpointAudit {
        checkpoints,
        steps,
        faults,
        ..
    } = found;
    let mut text = format!(
        "compared bit for bit: {}, {}\n",
        words::counted(checkpoints.len() as u64, "checkpoint"),
        words::counted(*steps, "recorded step")
    );
    if faults.is_empty() {
        text += "no difference\n";
    }
    for fault in faults {
        let _ = writeln!(text, "DIFFERENT  {fault}");
    }
    text
}
