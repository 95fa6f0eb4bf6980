//! `workbench report`.

use crate::cli::Report;
use crate::console;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use workbench_report::{Chosen, Options, ReportError, Target};

pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let written = match arguments.dirs.as_slice() {
        _ if arguments.cards => cards(arguments),
        [dir] => pages(dir, arguments),
        _ => {
            return Err(Failure::usage(
                "a report is of one sweep or run; `--cards` makes one page over several sweeps",
            ));
        }
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
    let options = Options {
        forks: &arguments.fork,
        chosen: Chosen {
            colours: arguments.colour_by.as_deref(),
            shades: arguments.shade_by.as_deref(),
            facets: arguments.facet_by.as_deref(),
        },
        over: arguments.x,
    };
    workbench_report::write_to(dir, options, &target)
}

/// The page over all cards, or over sweeps of one's own.
fn cards(arguments: &Report) -> Result<Vec<PathBuf>, ReportError> {
    if !arguments.dirs.is_empty() {
        let page = arguments.out.clone().unwrap_or_else(|| "cards.html".into());
        workbench_report::write_sweeps(&arguments.dirs, &page)?;
        return Ok(vec![page]);
    }
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
