//! `workbench export`.

use super::spread::spread;
use crate::cli::{Export, ExportFormat};
use crate::console::{self, say};
use crate::failure::Failure;
use experiments_handover::{Options, Target};
use logs::{Liveness, RunReader, export};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use workbench_export::Source;

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

/// The metrics of a run or a sweep.
fn metrics(arguments: &Export, format: ExportFormat) -> Result<ExitCode, Failure> {
    let dir = Path::new(&arguments.what);
    let out = arguments.out.as_deref();
    match format {
        ExportFormat::Csv => csv(dir, out)?,
        ExportFormat::Parquet => {
            let file = needed(out, "`--format parquet` needs --out FILE")?;
            workbench_export::parquet(&open(dir)?, file)?;
            console::written(file)?;
        }
        ExportFormat::Tensorboard => {
            let folder = needed(out, "`--format tensorboard` needs --out FOLDER")?;
            console::written(&tensorboard(dir, folder)?)?;
        }
        ExportFormat::Wandb => {
            let folder = needed(out, "`--format wandb` needs --out FOLDER")?;
            for run in workbench_export::wandb(&open(dir)?, folder)? {
                console::written(&run)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn needed<'a>(out: Option<&'a Path>, message: &str) -> Result<&'a Path, Failure> {
    out.ok_or_else(|| Failure::usage(message))
}

fn is_sweep(dir: &Path) -> bool {
    dir.join(logs::output::SWEEP_FILE).exists()
}

/// A sweep as one long table, a run with its layers.
fn csv(dir: &Path, out: Option<&Path>) -> Result<(), Failure> {
    if is_sweep(dir) {
        let source = open(dir)?;
        return write_csv(out, |file| workbench_export::csv(&source, file));
    }
    let reader = open_run(dir)?;
    write_csv(out, |file| export::csv(reader.records(), file))
}

fn write_csv(
    out: Option<&Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    if let Some(file) = out {
        return Ok(logs::output::fill(file, |file| fill(file))?);
    }
    let mut text = Vec::new();
    fill(&mut text).map_err(|error| Failure::io("cannot write CSV", &error))?;
    console::print(&String::from_utf8_lossy(&text))
}

fn tensorboard(dir: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    if is_sweep(dir) {
        return Ok(workbench_export::tensorboard(&open(dir)?, folder)?);
    }
    let reader = open_run(dir)?;
    let start = reader.manifest().and_then(logs::Manifest::created_seconds);
    Ok(export::tensorboard(
        reader.records(),
        folder,
        start.unwrap_or(0.0),
    )?)
}

/// Everything that is to be exported; what was lost of it is said.
fn open(dir: &Path) -> Result<Source, Failure> {
    let source = Source::open(dir)?;
    warn(&source.warnings());
    Ok(source)
}

fn open_run(run: &Path) -> Result<RunReader, Failure> {
    let reader = RunReader::open(run)?;
    warn(reader.warnings());
    if reader.records().is_empty() && reader.liveness() == Liveness::Pending {
        let run = run.display();
        return Err(Failure::usage(format!("`{run}` holds no recorded steps")));
    }
    Ok(reader)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}
