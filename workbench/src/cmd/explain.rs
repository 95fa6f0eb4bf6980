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
    let run = arguments.run.display();
    // What is no directory is refused like any other that is no run.
    let manifest = if arguments.run.is_dir() {
        Manifest::load(&arguments.run)?
    } else {
        None
    };
    if let Some(imported) = manifest.and_then(|manifest| manifest.imported) {
        if arguments.out.is_some() {
            return Err(Failure::usage(format!(
                "--out draws the gradient of a run that was trained here, and `{run}` was imported: leave it out"
            )));
        }
        return imported::run(arguments, &imported);
    }
    if !(arguments.sibling.is_empty() && arguments.other_size.is_empty()) {
        return Err(Failure::usage(format!(
            "--sibling and --other-size compare imported runs by their logs, and `{run}` was not imported; `workbench replay {run} --at STEP` takes a step of it again"
        )));
    }
    trained::run(arguments, &cache()?)
}
