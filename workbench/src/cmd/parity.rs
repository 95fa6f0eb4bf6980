//! `workbench parity`.

use crate::cli::Parity;
use crate::console;
use crate::failure::Failure;
use crate::progress::Steps;
use experiments::{Repeat, parity};
use experiments_text::Cache;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Parity, cache: &Cache) -> Result<ExitCode, Failure> {
    let config = super::run_config(&arguments.run)?;
    super::threads(config.runtime.threads);
    let mut steps = Steps::new(arguments.step);
    let repeat = Repeat {
        directory: &arguments.run,
        config: &config,
        cache,
        step: arguments.step,
        on_step: &mut |record| {
            let loss = record.scalar("loss").unwrap_or(f64::NAN);
            steps.at(record.step, &format!("loss {loss:.4}"));
        },
    };
    parity(repeat, &arguments.out)?;
    steps.end();
    console::written(&arguments.out)?;
    Ok(ExitCode::SUCCESS)
}
