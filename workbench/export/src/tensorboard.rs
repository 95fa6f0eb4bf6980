//! One TensorBoard folder for all runs, with their hyperparameters.

use crate::ExportError;
use crate::source::{Run, Source};
use logs::export::{self, Experiment, Hparam, Session};
use std::path::{Path, PathBuf};
use toml::Value;

/// Results that TensorBoard's table of hyperparameters shows, as far as a run has them.
const METRICS: [&str; 3] = ["loss", "held_out_loss", "grad_norm"];

/// Writes an event file into a folder for each run under `dir`, and one that names hyperparameters and metrics into `dir` itself;
/// returns `dir`. Hyperparameters are axis values, seed and outcome; runs of an arm are a group.
pub fn tensorboard(source: &Source, dir: &Path) -> Result<PathBuf, ExportError> {
    let runs = source.runs();
    let mut known: Vec<(String, Hparam)> = Vec::new();
    for run in &runs {
        let hparams = hparams(run);
        for (name, value) in &hparams {
            if known.iter().all(|(other, _)| other != name) {
                known.push((name.clone(), value.clone()));
            }
        }
        let session = Session {
            hparams,
            group: run.arm.to_owned(),
            finished: run.finished,
        };
        let whole = run.with_layers()?;
        export::tensorboard_session(whole.records(), &dir.join(run.id), run.start(), &session)?;
    }
    let recorded = |name: &&str| {
        let mut runs = runs.iter();
        runs.any(|run| run.column(name).iter().any(|value| value.is_some()))
    };
    let metrics: Vec<&str> = METRICS.into_iter().filter(|name| recorded(name)).collect();
    let experiment = Experiment {
        name: source.name(),
        hparams: &known,
        metrics: &metrics,
    };
    let start = runs.iter().map(Run::start).fold(f64::INFINITY, f64::min);
    export::experiment(dir, &experiment, start)?;
    Ok(dir.to_owned())
}

fn hparams(run: &Run<'_>) -> Vec<(String, Hparam)> {
    let mut hparams: Vec<(String, Hparam)> = run
        .settings
        .iter()
        .map(|(key, value)| (key.clone(), hparam(value)))
        .collect();
    hparams.extend(
        run.seed
            .map(|seed| ("seed".to_owned(), Hparam::Number(seed as f64))),
    );
    hparams.push(("outcome".to_owned(), Hparam::Text(run.outcome.clone())));
    hparams
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
