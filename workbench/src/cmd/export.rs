//! `workbench export`.

use super::spread::spread;
use crate::cli::{Export, ExportFormat};
use crate::console::{self, say};
use crate::failure::Failure;
use experiments_handover::{Options, Target};
use logs::{Liveness, RunReader, export};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(arguments: &Export) -> Result<ExitCode, Failure> {
    match (arguments.format, &arguments.to, &arguments.out) {
        (Some(format), _, _) => metrics(arguments, format),
        (None, Some(trainer), Some(out)) => hand_over(arguments, trainer, out),
        // The parser asks for one of both, and for --out with --to.
        _ => Err(Failure::usage(
            "either --format or --to with --out is needed",
        )),
    }
}

/// A configuration for the trainer of a full run.
fn hand_over(arguments: &Export, trainer: &str, out: &Path) -> Result<ExitCode, Failure> {
    let target: Target = trainer.parse()?;
    let config = super::config::load(&arguments.what, &arguments.set)?;
    let (cluster, layout) = spread(&arguments.spread, &config)?;
    let options = Options {
        name: arguments
            .name
            .clone()
            .unwrap_or_else(|| name_of(&arguments.what)),
        partition: arguments.partition.clone(),
        account: arguments.account.clone(),
        ..Options::default()
    };
    let handover = experiments_handover::export(&config, &layout, &cluster, target, &options)?;
    handover.write(out)?;
    console::print(&handover.text())?;
    Ok(ExitCode::SUCCESS)
}

/// A preset's name, or that of a file without its ending.
fn name_of(what: &str) -> String {
    let stem = Path::new(what).file_stem();
    stem.map_or_else(
        || what.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// A run's metrics.
fn metrics(arguments: &Export, format: ExportFormat) -> Result<ExitCode, Failure> {
    let run = Path::new(&arguments.what);
    let reader = RunReader::open(run)?;
    reader
        .warnings()
        .iter()
        .for_each(|warning| say(&format!("warning: {warning}")));
    if reader.records().is_empty() && reader.liveness() == Liveness::Pending {
        let run = run.display();
        return Err(Failure::usage(format!("`{run}` holds no recorded steps")));
    }
    match (format, &arguments.out) {
        (ExportFormat::Csv, Some(file)) => export::csv_file(reader.records(), file)?,
        (ExportFormat::Csv, None) => {
            let mut text = Vec::new();
            export::csv(reader.records(), &mut text)
                .map_err(|e| Failure::io("cannot write CSV", &e))?;
            console::print(&String::from_utf8_lossy(&text))?;
        }
        (ExportFormat::Tensorboard, Some(folder)) => {
            let start = reader.manifest().and_then(logs::Manifest::created_seconds);
            let file = export::tensorboard(reader.records(), folder, start.unwrap_or(0.0))?;
            console::written(&file)?;
        }
        (ExportFormat::Tensorboard, None) => {
            return Err(Failure::usage("`--format tensorboard` needs --out FOLDER"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
