//! What a plan costs on this machine, from a few steps of every shape.

use super::display;
use crate::console::say;
use crate::failure::Failure;
use experiments_text::Cache;
use logs::RunReader;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use sweeps::Plan;

/// Steps of a trial; the first is slower than the others.
const STEPS: u64 = 4;

/// What a run of one shape takes on one core, seconds.
#[derive(Clone, Copy)]
struct Rate {
    /// Start, text, evaluation, checkpoint.
    around: f64,
    step: f64,
}

/// Core-seconds of all runs.
pub(super) fn core_seconds(plan: &Plan, cache: &Cache) -> Result<f64, Failure> {
    Ok(seconds(plan, cache)?.iter().sum())
}

/// Core-seconds of the run that takes longest.
pub(super) fn longest(plan: &Plan, cache: &Cache) -> Result<f64, Failure> {
    Ok(seconds(plan, cache)?.into_iter().fold(0.0, f64::max))
}

/// Core-seconds of every run, one thread each. Every shape (what is computed in a step, so not the
/// learning rate) is trained for a few steps in a process like those of a sweep. One process runs
/// at a time, while a sweep's processes share the machine, which on cores that share a
/// memory or a multiplier can make them slower.
fn seconds(plan: &Plan, cache: &Cache) -> Result<Vec<f64>, Failure> {
    let mut rates: BTreeMap<String, Rate> = BTreeMap::new();
    let mut seconds = Vec::new();
    for run in &plan.runs {
        let config = plan.config(run)?;
        let shape = format!("{} {:?}", config.pack_key(), config.eval);
        let rate = if let Some(rate) = rates.get(&shape) {
            *rate
        } else {
            say(&format!("timing a few steps of {}", run.arm));
            let rate = measure(plan, run, cache)?;
            rates.insert(shape, rate);
            rate
        };
        seconds.push(rate.around + rate.step * config.steps as f64);
    }
    Ok(seconds)
}

fn measure(plan: &Plan, run: &sweeps::PlannedRun, cache: &Cache) -> Result<Rate, Failure> {
    let trial = trial(plan, run, STEPS, cache)?;
    rate(trial.directory.path(), trial.wall)
}

/// A few steps of a run, in a process like those of a sweep.
pub(super) struct Trial {
    /// The run directory, which goes with this value.
    pub(super) directory: tempfile::TempDir,
    /// Seconds that the process took.
    pub(super) wall: f64,
}

/// Trains the first `steps` steps of a run on one core.
pub(super) fn trial(
    plan: &Plan,
    run: &sweeps::PlannedRun,
    steps: u64,
    cache: &Cache,
) -> Result<Trial, Failure> {
    let failed = |error: std::io::Error| Failure::io("cannot time a run", &error);
    let directory = tempfile::tempdir().map_err(failed)?;
    let mut config = plan.config(run)?;
    config.steps = config.steps.min(steps);
    config.schedule.clear();
    config.intervention.clear();
    config.inject.clear();
    config.recovery = experiments_config::RecoveryConfig::default();
    let file = directory.path().join(logs::run::CONFIG_FILE);
    std::fs::write(&file, config.to_toml()).map_err(failed)?;
    let start = Instant::now();
    let output = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["--cache", &display(cache.root()), "train"])
        .arg(directory.path())
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    let wall = start.elapsed().as_secs_f64();
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().last().unwrap_or("it said nothing");
        return Err(Failure::usage(format!(
            "timing `{}` failed: {last}; `sweep plan --no-probe` and `sweep run --time` do without it",
            run.arm
        )));
    }
    Ok(Trial { directory, wall })
}

fn rate(directory: &Path, wall: f64) -> Result<Rate, Failure> {
    let reader = RunReader::open_scalars(directory)?;
    let mut seconds: Vec<f64> = reader
        .series("step_seconds")
        .into_iter()
        .map(|(_, seconds)| seconds)
        .collect();
    let all: f64 = seconds.iter().sum();
    seconds.sort_by(f64::total_cmp);
    Ok(Rate {
        around: (wall - all).max(0.0),
        step: seconds.get(seconds.len() / 2).copied().unwrap_or(0.0),
    })
}
