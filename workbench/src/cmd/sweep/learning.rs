//! Whether the arms that must train can do so in their steps, from their first ones.

use super::cost::trial;
use crate::console::say;
use crate::failure::Failure;
use experiments_text::Cache;
use logs::RunReader;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use sweeps::learning::{STEPS, TooSlow, must_train};
use sweeps::{Plan, PlannedRun};

/// Tries every arm that must train for a comparison to show anything, each once.
pub(super) fn too_slow(plan: &Plan, cache: &Cache) -> Result<Vec<TooSlow>, Failure> {
    let mut tried: BTreeMap<&str, RunReader> = BTreeMap::new();
    let mut found = Vec::new();
    for (criterion, arm) in must_train(&plan.card) {
        let Some(run) = plan.runs.iter().find(|run| run.arm == arm.label) else {
            continue;
        };
        let reader = match tried.entry(&run.arm) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(first_steps(plan, run, cache)?),
        };
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

/// What a run records in its first steps.
fn first_steps(plan: &Plan, run: &PlannedRun, cache: &Cache) -> Result<RunReader, Failure> {
    say(&format!("looking at how fast {} learns", run.arm));
    let trial = trial(plan, run, STEPS, cache)?;
    Ok(RunReader::open_scalars(trial.directory.path())?)
}
