//! The report of one run on its own: the same page without a comparison.

use crate::arms::ArmLook;
use crate::error::ReportError;
use crate::figures::{self, ArmRuns};
use crate::layers::{self, WithLayers};
use crate::prose::NONE;
use crate::view::{Report, Run, Verdict};
use crate::{Options, branches, cost, provenance, runs, spikes, sweep};
use logs::{Liveness, Manifest, RunReader};
use std::path::Path;
use sweeps::{Classified, Outcome, OutcomeRules, State, judge};

/// Whether the directory looks like that of a run.
pub(crate) fn is_run(dir: &Path) -> bool {
    ["run.toml", "manifest.json", "metrics-0001.jsonl"]
        .iter()
        .any(|name| dir.join(name).exists())
}

/// Reads everything a run directory says. The outcome is by the default rules.
pub(crate) fn report(dir: &Path, options: Options<'_>) -> Result<Report, ReportError> {
    let reader = RunReader::open(dir)?;
    let rules = OutcomeRules::default();
    let manifest = reader.manifest();
    let finished = reader.liveness() == Liveness::Finished;
    let (classified, lost) = match finished.then(|| judge(&reader, &rules)) {
        None => (None, None),
        Some(Ok(found)) => (found, None),
        Some(Err(lost)) => (None, Some(lost)),
    };
    let name = name(dir);
    let arm = ArmRuns {
        number: 0,
        look: ArmLook::alone(name.clone()),
        readers: vec![&reader],
        ends: classified
            .iter()
            .map(|end| (&*name, end, is_event(end.outcome)))
            .collect(),
    };
    let entropies = manifest.and_then(Manifest::unigram_level);
    let levels = figures::levels(entropies.into_iter(), rules.stuck_margin);
    let mut figures = figures::draw(std::slice::from_ref(&arm), &levels, options.over)?;
    figures.extend(layers::draw(&[(&arm, WithLayers::Read(vec![&reader]))])?);
    let manifests: Vec<_> = manifest.into_iter().collect();
    let mut warnings = warnings(&reader, lost.as_deref());
    warnings.extend(options.over.missing(std::iter::once(&reader)));
    let own = [(&*name, &reader)];
    let mut branched = branches::replays(&own, &mut warnings)?;
    branched.extend(branches::forks(&own, options.forks)?);
    Ok(Report {
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        over: "Training-stability report · one run".to_owned(),
        title: name.clone(),
        verdict: headline(&reader, classified.as_ref(), lost.as_deref()),
        warnings,
        branches: branched,
        cost: cost::of([&reader].into_iter()),
        figures,
        figures_note: "A cross on the upper edge marks a value that was not finite.".to_owned(),
        limits: Vec::new(),
        spikes: spikes::rows(&[(&*name, 0, &*reader.loss_spikes())]).0,
        runs: vec![row(name, &reader, classified.as_ref(), lost)],
        rules: sweep::rules(&rules),
        command: manifest.map(|manifest| words::shell_command(&manifest.command)),
        provenance: provenance::of(&manifests).0,
        ..Report::default()
    })
}

fn is_imported(reader: &RunReader) -> bool {
    let manifest = reader.manifest();
    manifest.is_some_and(|manifest| manifest.imported.is_some())
}

/// The folder's name, also for `.`.
fn name(dir: &Path) -> String {
    let absolute = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    absolute
        .file_name()
        .map_or("run".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn is_event(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Nonfinite | Outcome::Diverged | Outcome::Stuck
    )
}

fn verb(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Pending => "has not begun,",
        Liveness::Running => "is going on,",
        Liveness::Interrupted => "was interrupted",
        Liveness::Finished => "finished",
        Liveness::Stopped => "was stopped on request",
        Liveness::Failed => "failed",
    }
}

/// Steps done and planned; what was planned is unknown before the manifest is written.
fn steps(reader: &RunReader) -> (u64, u64) {
    let done = reader.last_step();
    (
        done,
        reader.manifest().map_or(done, |manifest| manifest.steps),
    )
}

fn headline(reader: &RunReader, classified: Option<&Classified>, lost: Option<&str>) -> Verdict {
    let (done, planned) = steps(reader);
    let (word, sentence) = match (classified, lost) {
        (Some(classified), _) => (
            format!("Outcome: {}", classified.outcome),
            format!(
                "The run ended after {done} of {planned} steps: {}.",
                classified.reason
            ),
        ),
        (None, Some(lost)) => (
            "No outcome".to_owned(),
            format!("The run finished, but {lost}."),
        ),
        (None, None) if is_imported(reader) && reader.liveness() == Liveness::Finished => (
            "No outcome".to_owned(),
            format!(
                "The imported log ends at step {done}. The unigram level of its text is not known, so the rules cannot \
                 tell whether the run is stuck."
            ),
        ),
        (None, None) => (
            "No outcome".to_owned(),
            format!(
                "The run {} after {done} of {planned} steps.",
                verb(reader.liveness())
            ),
        ),
    };
    Verdict {
        word,
        sentence,
        ..Verdict::default()
    }
}

fn warnings(reader: &RunReader, lost: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(lost) = lost {
        warnings.push(format!(
            "The run finished, but {lost}: bring back what is missing from a copy."
        ));
    }
    let missing = reader
        .manifest()
        .map_or(&[][..], |manifest| &manifest.missing_languages);
    if !missing.is_empty() {
        let languages = missing.join(", ");
        warnings.push(format!(
            "Text is missing in: {languages}. The run was trained without it."
        ));
    }
    warnings.extend(reader.summary().and_then(|summary| summary.message.clone()));
    let imported = reader
        .manifest()
        .and_then(|manifest| manifest.imported.as_ref());
    warnings.extend(imported.iter().flat_map(|imported| imported.gaps()));
    warnings.extend(reader.warnings().iter().cloned());
    warnings
}

fn row(
    id: String,
    reader: &RunReader,
    classified: Option<&Classified>,
    lost: Option<String>,
) -> Run {
    let (done, planned) = steps(reader);
    let (events, events_left_out) = runs::events(reader);
    let class = match classified {
        Some(classified) if is_event(classified.outcome) => "event",
        Some(_) => "trained",
        None if reader.liveness() == Liveness::Failed => "failed",
        None => "open",
    };
    let message = reader.summary().and_then(|summary| summary.message.clone());
    let found = reader.loss_spikes();
    let mut facts = runs::facts(reader);
    facts.extend(spikes::facts(&found));
    Run {
        arm: NONE.to_owned(),
        number: 0,
        colour: crate::plot::palette::paint(0).class(),
        seed: reader
            .manifest()
            .filter(|_| !is_imported(reader))
            .map_or(NONE.to_owned(), |manifest| manifest.seed.to_string()),
        role: NONE.to_owned(),
        outcome: classified.map_or(State::from(reader.liveness()).to_string(), |found| {
            found.outcome.to_string()
        }),
        class,
        held_out_loss: runs::held_out_loss(Some(reader)),
        spikes: spikes::cell(&found),
        steps: runs::steps(done, planned),
        reason: classified
            .map(|found| found.reason.clone())
            .or(lost)
            .or(message)
            .unwrap_or_else(|| NONE.to_owned()),
        facts,
        events,
        events_left_out,
        id,
    }
}
