//! `workbench report`.

use crate::cli::Report;
use crate::console;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use workbench_report::{ReportError, Target};

pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let written = match &arguments.dir {
        Some(dir) => pages(dir, arguments),
        None => cards(arguments),
    };
    let default_place = arguments.out.is_none();
    let pages = written.map_err(|error| explain(error, default_place))?;
    for page in pages {
        console::written(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The report of a sweep or a run.
fn pages(dir: &Path, arguments: &Report) -> Result<Vec<PathBuf>, ReportError> {
    let target = arguments.out.as_deref();
    let target = target.map_or_else(|| Target::Folder(dir.to_owned()), Target::of);
    workbench_report::write_to(dir, &arguments.fork, &target)
}

/// The page over all cards.
fn cards(arguments: &Report) -> Result<Vec<PathBuf>, ReportError> {
    let page = arguments
        .out
        .clone()
        .unwrap_or_else(|| arguments.results.join("cards.html"));
    workbench_report::write_cards(&arguments.results, &arguments.card_folder, &page)?;
    Ok(vec![page])
}

/// What went wrong; where the default place cannot be written, that there is another way.
fn explain(error: ReportError, default_place: bool) -> Failure {
    let unwritable = matches!(error, ReportError::Save(_) | ReportError::Folder { .. });
    let failure = Failure::from(error);
    if unwritable && default_place {
        failure.with_hint("`--out PATH` writes the report elsewhere")
    } else {
        failure
    }
}
