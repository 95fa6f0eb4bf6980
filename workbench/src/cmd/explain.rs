//! `workbench explain`: what is in a step.

mod trained;

use crate::cli::Explain;
use crate::failure::Failure;
use experiments_text::Cache;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Explain, cache: &Cache) -> Result<ExitCode, Failure> {
    trained::run(arguments, cache)
}
