//! `workbench report`.

use crate::cli::Report;
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let written = workbench_report::write(&arguments.dir)?;
    super::print(&format!(
        "{}\n{}\n",
        written.html.display(),
        written.md.display()
    ));
    Ok(ExitCode::SUCCESS)
}
