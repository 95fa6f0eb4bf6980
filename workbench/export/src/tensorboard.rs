//! One TensorBoard folder for all runs, with their hyperparameters.

use crate::ExportError;
use crate::source::{Run, Source};
use logs::export::{self, Events, Experiment, Hparam, Session};
use std::io::Write;
use std::path::{Path, PathBuf};
use sweeps::Settings;
use toml::Value;

/// Results that TensorBoard's table of hyperparameters shows, as far as a run has them.
const METRICS: [&str; 3] = ["loss", "held_out_loss", "grad_norm"];

/// Writes the event file of a run alone into `dir`, and of a sweep one into a folder for each run under `dir` and one that names
/// hyperparameters and metrics into `dir` itself. Hyperparameters are axis values, seed and outcome; runs of an arm are a group.
/// Returns what was written: the file, or `dir`.
pub fn tensorboard(source: &Source, dir: &Path) -> Result<PathBuf, ExportError> {
    let runs = source.runs();
    if let (true, [run]) = (source.is_run(), runs.as_slice()) {
        return write(run, dir, None);
    }
    for run in &runs {
        write(run, &dir.join(run.id), Some(&session(run)))?;
    }
    let recorded = source.recorded();
    experiment(source, dir, |name| recorded.contains(name))?;
    Ok(dir.to_owned())
}

fn write(run: &Run<'_>, dir: &Path, session: Option<&Session>) -> Result<PathBuf, ExportError> {
    Ok(export::event_file(dir, |file| {
        let mut events = Events::of_records(run.start());
        if let Some(session) = session {
            events.begin(session);
        }
        let elapsed = run.parts(0, 0.0, |records, elapsed| {
            events.records(records, elapsed);
            file.write_all(&events.take())
        })?;
        if let Some(session) = session {
            events.end(session, elapsed);
        }
        file.write_all(&events.take())
    })?)
}

/// Names the hyperparameters of all planned runs, and the metrics that are recorded.
pub(crate) fn experiment(
    source: &Source,
    dir: &Path,
    is_recorded: impl Fn(&str) -> bool,
) -> Result<(), ExportError> {
    let runs = source.runs();
    let mut known: Vec<(String, Hparam)> = Vec::new();
    let planned = source.sweep().map(|reader| reader.sweep().runs());
    for run in planned.unwrap_or_default() {
        for (name, value) in hparams(&run.settings, Some(run.seed), Some("")) {
            if known.iter().all(|(other, _)| *other != name) {
                known.push((name, value));
            }
        }
    }
    let shown = |name: &&str| is_recorded(name) && source.signals().has(name);
    let metrics: Vec<&str> = METRICS.into_iter().filter(shown).collect();
    let experiment = Experiment {
        name: source.name(),
        hparams: &known,
        metrics: &metrics,
    };
    let start = runs.iter().map(Run::start).reduce(f64::min);
    export::experiment(dir, &experiment, start.unwrap_or(0.0))?;
    Ok(())
}

/// What a run was given. Its outcome is one of its hyperparameters, once it has ended.
pub(crate) fn session(run: &Run<'_>) -> Session {
    Session {
        hparams: hparams(&run.settings, run.seed, Some(&run.outcome)),
        group: run.arm.to_owned(),
        finished: run.finished(),
    }
}

/// The same of a run that goes on.
pub(crate) fn session_so_far(run: &Run<'_>) -> Session {
    Session {
        hparams: hparams(&run.settings, run.seed, None),
        ..session(run)
    }
}

fn hparams(settings: &Settings, seed: Option<u64>, outcome: Option<&str>) -> Vec<(String, Hparam)> {
    let axes = settings.iter();
    let axes = axes.map(|(key, value)| (key.clone(), hparam(value)));
    let seed = seed.map(|seed| ("seed".to_owned(), Hparam::Number(seed as f64)));
    let outcome = outcome.map(|text| ("outcome".to_owned(), Hparam::Text(text.to_owned())));
    axes.chain(seed).chain(outcome).collect()
}

fn hparam(value: &Value) -> Hparam {
    match value {
        Value::Integer(number) => Hparam::Number(*number as f64),
        Value::Float(number) => Hparam::Number(*number),
        Value::Boolean(flag) => Hparam::Flag(*flag),
        Value::String(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Hparam::Text(sweeps::card::label(value))
        }
    }
}
