//! `workbench export`.

use super::spread::spread;
use crate::cli::{Export, ExportFormat};
use crate::console::{self, say};
use crate::failure::Failure;
use crate::signals::Stop;
use experiments_handover::{Options, Target};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use words::{counted, printable_path};
use workbench_export::{Follower, Signals, Source};

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
    let signals = arguments.signals.clone().unwrap_or_default();
    if arguments.follow && !matches!(format, ExportFormat::Tensorboard) {
        return Err(Failure::usage("`--follow` needs `--format tensorboard`"));
    }
    match format {
        ExportFormat::Csv => csv(dir, out, signals)?,
        ExportFormat::Parquet => {
            let file = needed(out, "`--format parquet` needs --out FILE")?;
            signals.check_table()?;
            workbench_export::parquet(&open(dir, signals)?, file)?;
            console::written(file)?;
        }
        ExportFormat::Tensorboard => {
            let folder = needed(out, "`--format tensorboard` needs --out FOLDER")?;
            if arguments.follow {
                follow(dir, folder, signals)?;
            } else {
                let source = open(dir, signals)?;
                console::written(&workbench_export::tensorboard(&source, folder)?)?;
            }
        }
        ExportFormat::Wandb => {
            let folder = needed(out, "`--format wandb` needs --out FOLDER")?;
            for run in workbench_export::wandb(&open(dir, signals)?, folder)? {
                console::written(&run)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// TensorBoard's folder, kept up to date until everything has ended or somebody asks to stop.
fn follow(dir: &Path, folder: &Path, signals: Signals) -> Result<(), Failure> {
    let stop = Stop::listen()?;
    let follower = Follower::begin(dir, folder, signals)?;
    say(&format!(
        "following `{}` until all has ended or Ctrl-C; `tensorboard --logdir {}` shows it",
        printable_path(dir),
        printable_path(folder)
    ));
    let done = follower.follow(&mut |line| say(line), &|| stop.is_set())?;
    say(&format!(
        "{} of {}, {} ended, {}",
        done.runs,
        counted(done.planned as u64, "run"),
        done.ended,
        counted(done.steps as u64, "recorded step"),
    ));
    console::written(folder)
}

fn needed<'a>(out: Option<&'a Path>, message: &str) -> Result<&'a Path, Failure> {
    out.ok_or_else(|| Failure::usage(message))
}

fn is_sweep(dir: &Path) -> bool {
    dir.join(logs::output::SWEEP_FILE).exists()
}

/// A sweep as one long table, a run with its layers.
fn csv(dir: &Path, out: Option<&Path>, signals: Signals) -> Result<(), Failure> {
    if is_sweep(dir) {
        signals.check_table()?;
        let source = open(dir, signals)?;
        return write_csv(out, |file| workbench_export::csv(&source, file));
    }
    let source = open(dir, signals)?;
    write_csv(out, |file| workbench_export::csv_of_run(&source, file))
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

/// Everything that is to be exported; what was lost of it is said.
fn open(dir: &Path, signals: Signals) -> Result<Source, Failure> {
    let source = Source::open(dir, signals)?;
    warn(&source.warnings());
    Ok(source)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}
