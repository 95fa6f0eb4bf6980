//! `workbench explain`: why did it spike?

mod imported;

use crate::cli::Explain;
use crate::failure::Failure;
use logs::Manifest;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Explain) -> Result<ExitCode, Failure> {
    let manifest = Manifest::load(&arguments.run)?;
    if let Some(imported) = manifest.and_then(|manifest| manifest.imported) {
        return imported::run(arguments, &imported);
    }
    super::run_config(&arguments.run)?;
    let run = arguments.run.display();
    Err(Failure::usage(format!(
        "`{run}` was not imported: `workbench replay {run} --at STEP` takes a step of it again and says what caused its spike"
    )))
}
