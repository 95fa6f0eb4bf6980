//! Following one run of a sweep.

use crate::card::Card;
use crate::criterion::Metric;
use crate::outcome::{classify, level};
use crate::reader::time_left::Phase;
use crate::reader::{RunState, State};
use crate::{Outcome, PlannedRun, Sweep};
use logs::spike::{is_judged, loss_spikes};
use logs::{Event, EventKind, LogError, Record, RunReader};
use std::borrow::Cow;
use std::path::Path;

/// A run's reader, and how much of it has gone into the run's state.
#[derive(Debug, Default)]
pub(super) struct Follower {
    pub(super) reader: Option<RunReader>,
    seen: usize,
    revision: u64,
    /// The first loss it recorded.
    pub(super) first_loss: Option<f64>,
    /// Seconds of all steps, once the run has finished.
    stepping: f64,
}

impl Follower {
    /// Takes in what is new; the number of new records.
    pub(super) fn poll(&mut self, directory: &Path) -> Result<usize, LogError> {
        if let Some(reader) = &mut self.reader {
            return reader.poll();
        }
        let reader = self.reader.insert(RunReader::open_scalars(directory)?);
        Ok(reader.len())
    }

    /// Brings the state up to date, looking at new records only.
    pub(super) fn observe(&mut self, run: &mut RunState, planned: &PlannedRun, sweep: &Sweep) {
        let Some(reader) = &self.reader else { return };
        run.state = reader.liveness().into();
        run.not_judged = None;
        run.message = reader.summary().and_then(|summary| summary.message.clone());
        if self.revision != reader.revision() {
            self.revision = reader.revision();
            self.seen = 0;
            self.first_loss = None;
            (run.loss, run.held_out_loss, run.tokens_per_second) = (None, None, None);
        }
        // Records behind the newest attempt's position are those of an attempt that was killed
        // after its last checkpoint.
        run.step = reader.latest().map_or(0, |record| record.step);
        let all = 0..reader.len();
        let reached = if run.step < reader.last_step() {
            let steps = reader.steps(all);
            steps.partition_point(|step| *step <= run.step)
        } else {
            all.end
        };
        let new = self.seen.min(reached)..reached;
        self.seen = reached;
        for (name, value) in [
            ("loss", &mut run.loss),
            ("held_out_loss", &mut run.held_out_loss),
            ("tokens_per_second", &mut run.tokens_per_second),
        ] {
            let new = reader.column(name, new.clone());
            *value = new.iter().rev().flatten().next().or(*value);
            if name == "loss" && self.first_loss.is_none() {
                self.first_loss = new.iter().flatten().next();
            }
        }
        if let Some(manifest) = reader.manifest() {
            run.missing_languages
                .clone_from(&manifest.missing_languages);
        }
        if let Some(problem) = reader.manifest().and_then(|found| planned.mismatch(found)) {
            run.state = State::Failed;
            run.not_judged(problem);
        } else if run.state == State::Finished {
            self.stepping = stepping(reader);
            conclude(run, reader, sweep);
        }
    }

    /// Of the last steps that carry a time.
    pub(super) fn seconds_per_step(&self) -> Option<f64> {
        let reader = self.reader.as_ref()?;
        let last = reader.len().saturating_sub(10 * RECENT)..reader.len();
        let recent = reader.column("step_seconds", last);
        let recent = recent.iter().rev().flatten();
        let recent: Vec<f64> = recent
            .filter(|seconds| *seconds > 0.0)
            .take(RECENT)
            .collect();
        let total: f64 = recent.iter().sum();
        (total > 0.0).then(|| total / recent.len() as f64)
    }

    /// When the last attempt began, seconds since 1970.
    pub(super) fn began(&self) -> Option<f64> {
        let mut events = self.reader.as_ref()?.events().iter().rev();
        let begins = |event: &&Event| matches!(event.kind, EventKind::Start | EventKind::Resume);
        events.find(begins)?.seconds()
    }

    /// The time that a finished run took.
    pub(super) fn done(&self) -> Phase {
        let Some(summary) = self.reader.as_ref().and_then(RunReader::summary) else {
            return Phase::Over;
        };
        let (attempt, stepping) = (summary.seconds, self.stepping);
        Phase::Done {
            all: attempt.max(stepping),
            attempt,
            stepping,
        }
    }
}

/// Steps that say how fast a run is.
const RECENT: usize = 50;

/// Seconds of all steps that carry a time.
fn stepping(reader: &RunReader) -> f64 {
    let seconds = reader.column("step_seconds", 0..reader.len());
    let seconds = seconds.iter().flatten();
    seconds
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .sum()
}

/// The outcome of a run that has finished, or why it cannot be told.
fn conclude(run: &mut RunState, reader: &RunReader, sweep: &Sweep) {
    let level = match level(reader) {
        Ok(Some(level)) => level,
        Ok(None) => {
            return run
                .not_judged("another program wrote it, so its outcome cannot be told".to_owned());
        }
        Err(lost) => return run.not_judged(lost),
    };
    let card = &sweep.plan().card;
    let directory = sweep.run_dir(&run.id);
    let whole = whole(reader, &directory, card);
    run.conclude(card, &whole, level);
    if !run.spikes.is_empty() {
        // With their owners, whom the per-layer signals before them name.
        run.spikes = reader.loss_spikes();
    }
    run.seconds = reader.summary().map(|summary| summary.seconds);
}

/// What of the records of a run decides, with their per-layer signals where a metric of the card needs them. Where they cannot
/// be read again, the scalars have to do, and the metric is missing.
fn whole<'a>(reader: &'a RunReader, directory: &Path, card: &Card) -> Cow<'a, [Record]> {
    let metrics = card.metrics();
    if metrics.iter().any(|metric| metric.needs_layers())
        && let Ok(whole) = RunReader::open(directory)
    {
        return Cow::Owned(whole.records().to_vec());
    }
    let metrics = metrics.iter().map(|metric| metric.name.as_str());
    let names: Vec<&str> = DECIDING.into_iter().chain(metrics).collect();
    reader.select(&names)
}

/// The scalars that outcomes and spikes are made of.
const DECIDING: [&str; 3] = ["loss", "held_out_loss", "skipped"];

/// Whether a training loss is not finite. Without it a run might have spiked later; a held-out loss says nothing of
/// spikes.
fn loses_losses(records: &[Record]) -> bool {
    let mut losses = records.iter().filter_map(|record| record.scalar("loss"));
    losses.any(|loss| !loss.is_finite())
}

impl RunState {
    /// The run has no outcome, and will have none as its directory is.
    pub(crate) fn not_judged(&mut self, why: String) {
        self.message = Some(why.clone());
        self.not_judged = Some(why);
    }

    /// Outcome, spikes and metrics of a finished run from its records, sorted by step. `unigram_entropy` as
    /// for [`classify`].
    pub(crate) fn conclude(&mut self, card: &Card, records: &[Record], unigram_entropy: f64) {
        let classified = classify(records, &card.outcome, unigram_entropy);
        let failed = classified.outcome == Outcome::Nonfinite;
        let value = |metric: &Metric| match metric.of(records) {
            // What a failed run measured before it failed does not stand for the run.
            _ if failed && metric.leaves_out(records) => Some(f64::NAN),
            _ if !failed && metric.is_final_loss() => classified.value,
            found => found,
        };
        self.metrics = card.metrics().into_iter().map(value).collect();
        self.metric = self.metrics.first().copied().flatten();
        self.spikes = loss_spikes(records);
        let seen = !self.spikes.is_empty();
        let told = seen || (!loses_losses(records) && is_judged(records, "loss"));
        self.spiked = told.then_some(seen);
        self.classified = Some(classified);
    }
}
