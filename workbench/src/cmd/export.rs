//! `workbench export`.

use crate::cli::{Export, ExportFormat};
use crate::failure::Failure;
use logs::{Liveness, RunReader, export};
use std::process::ExitCode;

pub(crate) fn run(arguments: &Export) -> Result<ExitCode, Failure> {
    let reader = RunReader::open(&arguments.run)?;
    reader
        .warnings()
        .iter()
        .for_each(|warning| eprintln!("warning: {warning}"));
    if reader.records().is_empty() && reader.liveness() == Liveness::Pending {
        let run = arguments.run.display();
        return Err(Failure::usage(format!("`{run}` holds no recorded steps")));
    }
    match (arguments.format, &arguments.out) {
        (ExportFormat::Csv, Some(file)) => export::csv_file(reader.records(), file)?,
        (ExportFormat::Csv, None) => {
            let mut text = Vec::new();
            export::csv(reader.records(), &mut text)
                .map_err(|e| Failure::io("cannot write CSV", &e))?;
            super::print(&String::from_utf8_lossy(&text));
        }
        (ExportFormat::Tensorboard, Some(folder)) => {
            let start = reader.manifest().and_then(logs::Manifest::created_seconds);
            let file = export::tensorboard(reader.records(), folder, start.unwrap_or(0.0))?;
            super::print(&format!("{}\n", file.display()));
        }
        (ExportFormat::Tensorboard, None) => {
            return Err(Failure::usage("`--format tensorboard` needs --out FOLDER"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
