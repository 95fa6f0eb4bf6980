//! Whether the arms that must train can do so in their steps, from their first ones.

use super::cost::trial;
use crate::console::say;
use crate::failure::Failure;
use experiments_text::Cache;
use logs::RunReader;
use sweeps::learning::{STEPS, TooSlow, must_train};
use sweeps::{Plan, PlannedRun};

/// Tries every arm that must train for a comparison to show anything, each once.
pub(super) fn too_slow(plan: &Plan, cache: &Cache) -> Result<Vec<TooSlow>, Failure> {
    let mut tried: Vec<(&PlannedRun, RunReader)> = Vec::new();
    let mut found = Vec::new();
    for (criterion, arm) in must_train(&plan.card) {
        let Some(run) = plan.runs.iter().find(|run| run.arm == arm.label) else {
            continue;
        };
        if tried.iter().all(|(other, _)| other.arm != run.arm) {
            say(&format!("looking at how fast {} learns", run.arm));
            let trial = trial(plan, run, STEPS, cache)?;
            tried.push((run, RunReader::open_scalars(trial.directory.path())?));
        }
        let reader = tried.iter().find(|(other, _)| other.arm == run.arm);
        let Some((_, reader)) = reader else { continue };
        let Some(manifest) = reader.manifest() else {
            continue;
        };
        let config = plan.config(run)?;
        found.extend(TooSlow::of(
            criterion,
            &arm,
            &config,
            &plan.card.outcome,
            reader.records(),
            manifest.unigram_entropy,
        ));
    }
    Ok(found)
}
