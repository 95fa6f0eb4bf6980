//! The verdict of a card on runs that no sweep planned: above all imported ones, which other programs trained.
//!
//! A file says which run stands for which arm. What a verdict needs and such a run does not say, is asked for or
//! leaves the run without an outcome; it is never assumed.

mod seeds;
mod settings;

use super::{Verdict, judge};
use crate::card::{Arm, Card};
use crate::criterion::{Criterion, Metric};
use crate::outcome::lost_records;
use crate::reader::{RunState, State};
use crate::{Event, Outcome, Plan, PlannedRun, Sweep, SweepError};
use logs::{Liveness, Manifest, RunReader};
use seeds::{check_partners, check_seeds, complete};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs and the arms that they stand for, as a file lists them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// Unigram level of the text of runs that do not say it, nats per token.
    unigram_entropy: Option<f64>,
    run: Vec<Listed>,
}

/// A run that stands for an arm.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Label of the arm.
    arm: String,
    /// Run directory, relative to the list.
    dir: PathBuf,
    /// Its seed, where the run does not say it: runs of one seed are a pair.
    seed: Option<u64>,
}

/// The verdict of `card` on the runs that the TOML file `list` names.
pub fn of_listed_runs(card: &Card, list: &Path) -> Result<Verdict, SweepError> {
    let refused = |message: String| SweepError::Listed {
        path: list.to_owned(),
        message,
    };
    let text = logs::disk::read_text(list).map_err(|source| SweepError::Read {
        path: list.to_owned(),
        source,
    })?;
    let parsed: List = toml::from_str(&text).map_err(|error| {
        refused(format!(
            "expected `[[run]]` with `arm` and `dir`, where needed `seed`, and above them `unigram_entropy` where it is known: {error}"
        ))
    })?;
    parsed.check().map_err(refused)?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let arms = card.arms();
    let (mut states, mut notes) = (Vec::new(), Notes::default());
    for listed in &parsed.run {
        let arm = arm_of(&arms, &listed.arm).map_err(refused)?;
        let run = Given::open(&folder.join(&listed.dir), listed, card)?;
        run.check_arm(card, arm)?;
        states.push(run.judged(card, arm, parsed.unigram_entropy, states.len(), &mut notes));
    }
    check_seeds(card, &states).map_err(refused)?;
    check_partners(card, &arms, &states).map_err(refused)?;
    for arm in &arms {
        complete(arm, &mut states).map_err(refused)?;
    }
    let plan = Plan {
        card: card.clone(),
        overrides: BTreeMap::new(),
        origins: BTreeMap::new(),
        missing_languages: Vec::new(),
        weights: BTreeMap::new(),
        runs: Vec::new(),
    };
    let states: Vec<RunState> = states.into_iter().map(|(state, _)| state).collect();
    let mut verdict = judge(&Sweep::of_listed(list, plan), &states)?;
    notes.leave_out_unlevelled(&mut verdict);
    verdict.notes.extend(notes.text(list));
    Ok(verdict)
}

impl List {
    fn check(&self) -> Result<(), String> {
        if self.run.is_empty() {
            return Err("it lists no `[[run]]`".to_owned());
        }
        match self.unigram_entropy {
            Some(level) if !(level.is_finite() && level > 0.0) => Err(format!(
                "`unigram_entropy` is {level}; expected a number above 0, in nats per token"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn arm_of<'a>(arms: &'a [Arm], label: &str) -> Result<&'a Arm, String> {
    arms.iter().find(|arm| arm.label == label).ok_or_else(|| {
        let known: Vec<String> = arms.iter().map(|arm| format!("`{}`", arm.label)).collect();
        format!(
            "the card has no arm `{label}`; its arms are {}",
            known.join(", ")
        )
    })
}

/// A run directory that was listed.
struct Given {
    reader: RunReader,
    manifest: Manifest,
    /// As the run or the list says it.
    seed: Option<u64>,
}

impl Given {
    fn open(dir: &Path, listed: &Listed, card: &Card) -> Result<Self, SweepError> {
        // Per-layer signals are most of a run's records, so they are read only where a metric is made of them.
        let layers = card.metrics().into_iter().any(Metric::needs_layers);
        let reader = if layers {
            RunReader::open(dir)?
        } else {
            RunReader::open_scalars(dir)?
        };
        let refused = |problem: &str| SweepError::GivenRun {
            path: dir.to_owned(),
            problem: problem.to_owned(),
        };
        let Some(manifest) = reader.manifest().cloned() else {
            return Err(refused(
                "it is no run directory, or has no `manifest.json`; `workbench import` makes one of a log",
            ));
        };
        let own = manifest.imported.is_none().then_some(manifest.seed);
        match (own, listed.seed) {
            (Some(own), Some(seed)) if own != seed => Err(refused(&format!(
                "its seed is {own}, and the list says {seed}"
            ))),
            (own, seed) => Ok(Self {
                reader,
                manifest,
                seed: own.or(seed),
            }),
        }
    }

    /// The run's state, and whether its seed is known. `number` tells runs without a seed apart.
    fn judged(
        &self,
        card: &Card,
        arm: &Arm,
        unigram: Option<f64>,
        number: usize,
        notes: &mut Notes,
    ) -> (RunState, bool) {
        let id = self.reader.dir().display().to_string();
        // No two are alike, so none makes a pair.
        let seed = self.seed.unwrap_or(u64::MAX - number as u64);
        let records = self.reader.records();
        let last = records.last().map_or(0, |record| record.step);
        let mut state = RunState {
            state: State::Finished,
            step: last,
            steps: last,
            ..RunState::new(&PlannedRun::without_plan(id, arm, seed))
        };
        let level = self.manifest.unigram_level().or(unigram);
        if let Some(problem) = self.problem() {
            state.not_judged(problem);
        } else {
            state.conclude(card, records, level.unwrap_or(f64::INFINITY));
            if level.is_none() && asks_for_stuck(card) {
                doubt(&mut state);
            }
            notes.of(self, card, &state, level.is_some());
        }
        (state, self.seed.is_some())
    }

    /// Why the run can have no outcome at all.
    fn problem(&self) -> Option<String> {
        let followed = self.manifest.imported.as_ref().is_some_and(|i| i.followed);
        let liveness = self.reader.liveness();
        if followed {
            let text = "its logs were followed, so nothing says that they are whole; import them without `--follow`";
            return Some(text.to_owned());
        }
        if liveness != Liveness::Finished {
            return Some("it has not finished".to_owned());
        }
        let has = |name: &str| {
            self.reader
                .records()
                .iter()
                .any(|r| r.scalar(name).is_some())
        };
        if !has("loss") {
            return Some(
                "it records no `loss`; `workbench import --map COLUMN=loss` names the column"
                    .to_owned(),
            );
        }
        lost_records(&self.reader)
    }
}

/// Takes the outcome of a run back that only the unigram level of its text would tell.
fn doubt(state: &mut RunState) {
    // These come before it.
    if matches!(
        state.outcome(),
        Some(Outcome::Nonfinite | Outcome::Diverged)
    ) {
        return;
    }
    state.classified = None;
    (state.metric, state.metrics) = (None, Vec::new());
    let text = "the unigram level of its text is not known, so it may be stuck; give it as `unigram_entropy`, in nats per token";
    state.not_judged(text.to_owned());
}

/// Whether a run that is stuck has to be told from one that trains. A criterion that compares numbers has to: what it
/// makes of runs that did not train is a part of it. An exploration only describes, and describes outcomes.
fn asks_for_stuck(card: &Card) -> bool {
    let tells = |criterion: &Criterion| {
        let event = criterion.event();
        event.is_none_or(|event| event.iter().any(|one| needs_level(*one)))
    };
    card.is_exploration() || card.criteria.iter().any(tells)
}

/// Whether only the unigram level of the text tells if a run shows the event.
fn needs_level(event: Event) -> bool {
    match event {
        Event::Outcome(Outcome::Stuck | Outcome::Ok | Outcome::Recovered) => true,
        Event::Outcome(Outcome::Nonfinite | Outcome::Diverged) | Event::Spiked => false,
    }
}

/// What is to be known of runs that were judged.
#[derive(Debug, Default)]
struct Notes {
    imported: usize,
    /// Runs whose final loss is a mean of training losses.
    without_held_out: Vec<String>,
    /// Runs by the metric that they lack.
    without_metric: BTreeMap<String, Vec<String>>,
    /// Runs that do not record every step.
    sparse: Vec<String>,
    /// Runs that may be stuck, since the level of their text is not known, with arm and the outcome without it.
    unlevelled: Vec<(String, Outcome, String)>,
}

impl Notes {
    fn of(&mut self, run: &Given, card: &Card, state: &RunState, has_level: bool) {
        let records = run.reader.records();
        if let Some(outcome) = state.outcome()
            && !has_level
            && needs_level(Event::Outcome(outcome))
        {
            let known = (state.arm.clone(), outcome, state.id.clone());
            self.unlevelled.push(known);
        }
        self.imported += usize::from(run.manifest.imported.is_some());
        if !records.iter().any(|r| r.scalar("held_out_loss").is_some()) {
            self.without_held_out.push(state.id.clone());
        }
        for (metric, value) in card.metrics().into_iter().zip(&state.metrics) {
            if value.is_none() {
                let runs = self.without_metric.entry(metric.label()).or_default();
                runs.push(state.id.clone());
            }
        }
        let first = records.first().map_or(0, |record| record.step);
        if state.step - first >= records.len() as u64 {
            self.sparse.push(state.id.clone());
        }
    }

    /// Takes the runs that may be stuck out of the numbers of outcomes. Whether they show the event of the card is
    /// known, or they would have no outcome at all.
    fn leave_out_unlevelled(&self, verdict: &mut Verdict) {
        for (label, outcome, _) in &self.unlevelled {
            let Some(arm) = verdict.arms.iter_mut().find(|arm| arm.arm == *label) else {
                continue;
            };
            if let Some(count) = arm.outcomes.get_mut(outcome) {
                *count = count.saturating_sub(1);
            }
            arm.outcomes.retain(|_, count| *count > 0);
        }
    }

    fn text(&self, list: &Path) -> Vec<String> {
        let mut notes = vec![format!(
            "The runs were given in `{}`, {} of those judged imported: nothing shows that the card was written before them, nor that they differ only where its arms do.",
            list.display(),
            self.imported
        )];
        let mut named = |what: &str, runs: &[String]| {
            if !runs.is_empty() {
                notes.push(format!("{what}: {}.", runs.join(", ")));
            }
        };
        named(
            "Without a held-out loss, so that the mean of the last training losses stands for it",
            &self.without_held_out,
        );
        for (metric, runs) in &self.without_metric {
            named(&format!("Without a value of {metric}"), runs);
        }
        named(
            "Without a record at every step, so that the windows of the outcome rules, which count records, are longer",
            &self.sparse,
        );
        let unlevelled = self.unlevelled.iter().map(|(.., run)| run.clone());
        named(
            "In no number of outcomes, because without the unigram level of their text (`unigram_entropy`) they may be stuck",
            &unlevelled.collect::<Vec<_>>(),
        );
        notes
    }
}

#[cfg(test)]
mod tests;
