//! `workbench explain`: what is in a step, or what a log alone can tell of one.

mod imported;
mod trained;

use crate::cli::Explain;
use crate::failure::Failure;
use experiments_text::Cache;
use logs::Manifest;
use std::process::ExitCode;

/// `cache` is asked for only where a step is taken again.
pub(crate) fn run(
    arguments: &Explain,
    cache: impl FnOnce() -> Result<Cache, Failure>,
) -> Result<ExitCode, Failure> {
    let manifest = Manifest::load(&arguments.run)?;
    if let Some(imported) = manifest.and_then(|manifest| manifest.imported) {
        return imported::run(arguments, &imported);
    }
    trained::run(arguments, &cache()?)
}
