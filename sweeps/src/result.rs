//! What is left of a card when its raw runs are gone: a JSON file that is committed.
//!
//! Everything a reader needs to believe or doubt the verdict is in it, and everything that makes
//! the runs again: card hash, command, commit, seeds, text. `preflight` reads a few of its fields.

use crate::card::{Arm, Card, FigureChoice, Kind, Role, Settings, Source, matches};
use crate::criterion::{Finding, LEVEL, Metric};
use crate::stats::{Estimate, Proportion};
use crate::{Event, Outcome, RunState, SweepError, SweepReader, Verdict, VerdictStatus};
use logs::Manifest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Version of the file.
const VERSION: u32 = 1;

/// The result of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardResult {
    /// Format version.
    pub version: u32,
    /// Name of the card.
    pub card: String,
    /// Its title.
    pub claim: String,
    /// Symptom or mechanism.
    pub kind: Kind,
    /// What was expected, and why.
    pub hypothesis: String,
    /// The publication mirrored.
    pub source: Option<Source>,
    /// The budget; absent for the whole table.
    pub budget: Option<String>,
    /// Whether the claim holds.
    pub verdict: VerdictStatus,
    /// All of it in a sentence or two.
    pub sentence: String,
    /// What every criterion found.
    pub findings: Vec<Finding>,
    /// Criteria whose arms the budget leaves out.
    pub untested: Vec<String>,
    /// What the numbers cannot show.
    pub notes: Vec<String>,
    /// [`Card::hash`] at the budget.
    pub card_hash: String,
    /// [`Card::criterion_hash`] at the budget, stored before the first run.
    pub criterion_hash: String,
    /// Whether metric, rules or criteria were edited after that.
    pub criterion_changed: bool,
    /// Keys all arms share.
    pub fixed: Settings,
    /// Given to every run beside the card.
    pub overrides: Settings,
    /// What the figure shows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub figure: Option<FigureChoice>,
    /// The arms in the order of the card.
    pub arms: Vec<ArmRecord>,
    /// What it cost.
    pub cost: Cost,
    /// Where the runs were made.
    pub provenance: Provenance,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmRecord {
    /// Short name.
    pub arm: String,
    /// Axis values.
    #[serde(rename = "where")]
    pub settings: Settings,
    /// Whether it counts for the verdict.
    pub role: Role,
    /// Seeds in order.
    pub seeds: Vec<u64>,
    /// Training runs with an outcome, of a card that counts an event; else 0.
    pub runs: u64,
    /// Of these, those whose outcome the card counts; of a card that counts spikes only, those that did not train.
    pub failed: u64,
    /// Runs whose loss spiked, of those of which that is known. Absent in files of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spiked: Option<Proportion>,
    /// Number of runs by outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// The metrics of the card, the first being its own.
    pub metrics: Vec<MetricRecord>,
}

/// Values of a metric in one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// Label of the metric.
    pub metric: String,
    /// Values in the order of the seeds; `null` where there is no finite one.
    pub values: Vec<Option<f64>>,
    /// Mean and interval over finite values.
    pub estimate: Option<Estimate>,
}

/// What a sweep cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Runs that have finished.
    pub runs: u64,
    /// Wall time of these times their threads, seconds.
    pub core_seconds: f64,
}

/// Where and how runs were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The command that made the sweep.
    pub command: Vec<String>,
    /// When the card was registered, RFC 3339.
    pub registered: String,
    /// Version of the program.
    pub program_version: String,
    /// Git commits of the programs that ran.
    pub commits: BTreeSet<String>,
    /// Processors.
    pub cpus: BTreeSet<String>,
    /// Backends.
    pub backends: BTreeSet<String>,
    /// Hashes of the text.
    pub corpora: BTreeSet<String>,
    /// Languages of the text.
    pub languages: BTreeSet<String>,
}

/// Outcomes that a card counts as its event; where it counts spikes only, those of a run that did not train.
fn failures(card: &Card) -> Vec<Outcome> {
    let event = card.event();
    let outcomes = event.iter().filter_map(|event| match event {
        Event::Spiked => None,
        Event::Outcome(outcome) => Some(*outcome),
    });
    let outcomes: Vec<Outcome> = outcomes.collect();
    if outcomes.is_empty() {
        Outcome::FAILURES.to_vec()
    } else {
        outcomes
    }
}

impl CardResult {
    /// The result as of the reader's last poll, whose verdict is given.
    pub fn of(reader: &SweepReader, verdict: &Verdict) -> Result<Self, SweepError> {
        let sweep = reader.sweep();
        let registration = sweep.registration();
        let card = &sweep.plan().card;
        let arms = card.arms().into_iter();
        let arms = arms.map(|arm| arm_record(reader, arm));
        let arms = arms.collect::<Result<Vec<_>, SweepError>>()?;
        Ok(Self {
            version: VERSION,
            card: card.name.clone(),
            claim: card.title.clone(),
            kind: card.kind,
            hypothesis: card.hypothesis.clone(),
            source: card.source.clone(),
            budget: card.budget.clone(),
            verdict: verdict.status,
            sentence: verdict.sentence.clone(),
            findings: verdict.findings.clone(),
            untested: verdict.untested.clone(),
            notes: verdict.notes.clone(),
            card_hash: registration.card_hash.clone(),
            criterion_hash: registration.criterion_hash.clone(),
            criterion_changed: verdict.criterion_changed,
            fixed: card.fixed.clone(),
            overrides: shown(sweep.plan().changes()),
            figure: card.figure.clone(),
            arms,
            cost: cost(reader),
            provenance: provenance(reader),
        })
    }

    /// Reads a result.
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        let text = logs::disk::read_text(path).map_err(|source| SweepError::Read {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|error| SweepError::Damaged {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }

    /// All results of a folder (`*.json`) in the order of their names.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, SweepError> {
        let failed = |source| SweepError::Read {
            path: folder.to_owned(),
            source,
        };
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::load(path)).collect()
    }

    /// The arms that the figure shows.
    #[must_use]
    pub fn shown_arms(&self) -> Vec<&ArmRecord> {
        let at = self.figure.as_ref().map(|figure| &figure.at);
        self.arms
            .iter()
            .filter(|arm| at.is_none_or(|at| matches(&arm.settings, at)))
            .collect()
    }

    /// Whether the card, read at the same budget, is still the one that was run.
    #[must_use]
    pub fn is_of(&self, card: &Card) -> bool {
        self.card_hash == card.hash()
    }
}

/// What an arm's runs showed.
fn arm_record(reader: &SweepReader, arm: Arm) -> Result<ArmRecord, SweepError> {
    let plan = reader.sweep().plan();
    let card = &plan.card;
    let config = card.config(&plan.overrides, &arm.settings, 0)?;
    let trains = !config.is_probe();
    // A card that counts no event says nothing about failing: its runs may be too short to train.
    let counted = trains && card.criteria.iter().any(|c| c.event().is_some());
    let runs = reader.states().iter().filter(|run| run.arm == arm.label);
    let runs: Vec<&RunState> = runs.collect();
    let outcomes: Vec<Outcome> = runs.iter().filter_map(|run| run.outcome()).collect();
    let failures = failures(card);
    let failed = outcomes.iter().filter(|outcome| failures.contains(outcome));
    let spiked: Vec<bool> = runs.iter().filter_map(|run| run.spiked).collect();
    let spikes = spiked.iter().filter(|spiked| **spiked).count();
    let spiked = Proportion::new(spikes as u64, spiked.len() as u64);
    let mut counts = BTreeMap::new();
    for outcome in outcomes.iter().filter(|_| trains) {
        *counts.entry(*outcome).or_insert(0) += 1;
    }
    Ok(ArmRecord {
        metrics: metrics(card, &arm.seeds, &runs),
        arm: arm.label,
        settings: arm.settings,
        role: arm.role,
        seeds: arm.seeds,
        runs: if counted { outcomes.len() as u64 } else { 0 },
        failed: if counted { failed.count() as u64 } else { 0 },
        spiked: (trains && spiked.n > 0).then_some(spiked),
        outcomes: counts,
    })
}

fn cost(reader: &SweepReader) -> Cost {
    let states = reader.states().iter();
    let seconds = states.clone().enumerate().filter_map(|(index, run)| {
        let threads = reader.reader(index)?.manifest()?.threads.max(1);
        Some(run.seconds? * threads as f64)
    });
    Cost {
        core_seconds: seconds.sum(),
        runs: states.filter(|run| run.seconds.is_some()).count() as u64,
    }
}

fn provenance(reader: &SweepReader) -> Provenance {
    let registration = reader.sweep().registration();
    let manifests = 0..reader.states().len();
    let manifests = manifests.filter_map(|index| reader.reader(index)?.manifest());
    let manifests: Vec<&Manifest> = manifests.collect();
    let all = |of: &dyn Fn(&Manifest) -> String| -> BTreeSet<String> {
        manifests.iter().map(|manifest| of(manifest)).collect()
    };
    let commits = manifests
        .iter()
        .filter_map(|manifest| manifest.git_commit.clone());
    let languages = manifests
        .iter()
        .flat_map(|manifest| manifest.languages.clone());
    Provenance {
        command: command(&registration.command),
        registered: registration.created.clone(),
        program_version: registration.program_version.clone(),
        commits: commits.collect(),
        cpus: all(&|manifest| manifest.cpu.clone()),
        backends: all(&Manifest::computed_by),
        corpora: all(&|manifest| manifest.corpus_hash.clone()),
        languages: languages.collect(),
    }
}

fn metrics(card: &Card, seeds: &[u64], runs: &[&RunState]) -> Vec<MetricRecord> {
    let record = |(index, label): (usize, String)| {
        let values: Vec<Option<f64>> = seeds
            .iter()
            .map(|seed| runs.iter().find(|run| run.seed == *seed))
            .map(|run| run?.metrics.get(index).copied().flatten())
            .map(|value| value.filter(|value| value.is_finite()))
            .collect();
        let finite: Vec<f64> = values.iter().copied().flatten().collect();
        MetricRecord {
            metric: label,
            values,
            estimate: crate::stats::mean_interval(&finite, LEVEL),
        }
    };
    let metrics = card.metrics().into_iter();
    metrics.map(Metric::label).enumerate().map(record).collect()
}

/// Without the path of the program, which is another one elsewhere.
fn command(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(program) = words.first_mut()
        && let Some(name) = Path::new(program.as_str()).file_name()
    {
        *program = name.to_string_lossy().into_owned();
    }
    words
}

/// Absolute paths of this machine say nothing elsewhere.
fn shown<'a>(changes: impl Iterator<Item = (&'a String, &'a toml::Value)>) -> Settings {
    let is_path = |value: &toml::Value| value.as_str().is_some_and(|text| text.starts_with('/'));
    changes
        .filter(|(_, value)| !is_path(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
