//! Following one run of a sweep.

use crate::card::Card;
use crate::criterion::Metric;
use crate::outcome::{classify, level};
use crate::reader::{RunState, State};
use crate::{Outcome, PlannedRun, Sweep};
use logs::spike::{is_judged, loss_spikes, spikes};
use logs::{LogError, Record, RunReader};
use std::path::Path;

/// A run's reader, and how much of it has gone into the run's state.
#[derive(Debug, Default)]
pub(super) struct Follower {
    pub(super) reader: Option<RunReader>,
    seen: usize,
    revision: u64,
}

impl Follower {
    /// Takes in what is new; the number of new records.
    pub(super) fn poll(&mut self, directory: &Path) -> Result<usize, LogError> {
        if let Some(reader) = &mut self.reader {
            return reader.poll();
        }
        let reader = self.reader.insert(RunReader::open_scalars(directory)?);
        Ok(reader.records().len())
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
            (run.loss, run.held_out_loss, run.tokens_per_second) = (None, None, None);
        }
        // Records behind the newest attempt's position are those of an attempt that was killed
        // after its last checkpoint.
        run.step = reader.latest().map_or(0, |record| record.step);
        let records = reader.records();
        let reached = records.partition_point(|record| record.step <= run.step);
        let new = &records[self.seen.min(reached)..reached];
        self.seen = reached;
        for (name, value) in [
            ("loss", &mut run.loss),
            ("held_out_loss", &mut run.held_out_loss),
            ("tokens_per_second", &mut run.tokens_per_second),
        ] {
            let last = new.iter().rev().find_map(|record| record.scalar(name));
            *value = last.or(*value);
        }
        if let Some(manifest) = reader.manifest() {
            run.missing_languages
                .clone_from(&manifest.missing_languages);
        }
        if let Some(problem) = reader.manifest().and_then(|found| planned.mismatch(found)) {
            run.state = State::Failed;
            run.not_judged(problem);
        } else if run.state == State::Finished {
            conclude(run, reader, sweep);
        }
    }

    /// From the last twenty steps that carry a time.
    pub(super) fn steps_per_second(&self) -> Option<f64> {
        let recent: Vec<f64> = self
            .reader
            .as_ref()?
            .records()
            .iter()
            .rev()
            .filter_map(|record| record.scalar("step_seconds"))
            .filter(|seconds| *seconds > 0.0)
            .take(20)
            .collect();
        let total: f64 = recent.iter().sum();
        (total > 0.0).then(|| recent.len() as f64 / total)
    }
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
    let layers = card.metrics().into_iter().any(Metric::needs_layers);
    let whole = Whole::of(reader, &directory, layers);
    run.conclude(card, whole.records(), level);
    run.seconds = reader.summary().map(|summary| summary.seconds);
}

/// The records of a run, with their per-layer signals where something needs them: a metric of the card, or a spike, whose
/// owner they name. Where they cannot be read again, the scalars have to do: nobody is named, and the metric is missing.
enum Whole<'a> {
    Scalars(&'a [Record]),
    Layers(Box<RunReader>),
}

impl<'a> Whole<'a> {
    fn of(scalars: &'a RunReader, directory: &Path, needed: bool) -> Self {
        let scalars = scalars.records();
        if !needed && spikes(scalars, "loss").is_empty() {
            return Self::Scalars(scalars);
        }
        RunReader::open(directory).map_or(Self::Scalars(scalars), |reader| {
            Self::Layers(Box::new(reader))
        })
    }

    fn records(&self) -> &[Record] {
        match self {
            Self::Scalars(records) => records,
            Self::Layers(reader) => reader.records(),
        }
    }
}

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
