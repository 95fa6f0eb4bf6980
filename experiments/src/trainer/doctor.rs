//! Whether the checkpoints of a run hold what its records say: every one is compared with what the one before it leads to.
//!
//! From each checkpoint the run's own steps are taken to the next one; their records are compared with the run's, and the
//! state they lead to with the state that lies there, bit for bit. What was restored wrong shows in the checkpoint itself,
//! or, where that is gone, in the first step of the attempt that went on from it.

mod streams;

use super::alarms::Alarms;
use super::course::{Turn, changes};
use super::identity::check_same;
use super::layouts::{Again, Layouts};
use super::memory::check_memory;
use super::text::Text;
use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::Nearby;
use crate::state::Trained;
use experiments_config::Config;
use experiments_text::Cache;
use logs::{EventKind, Manifest, Record, RunReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which run.
pub struct CheckpointAuditRequest<'a> {
    /// Run directory; only read.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Steps from one checkpoint to the next, at most; farther ones are not compared.
    pub reach: u64,
    /// Set from outside to stop after the current step.
    pub stop: &'a AtomicBool,
    /// Called with every record.
    pub on_step: &'a mut dyn FnMut(&Record),
}

/// What was compared and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointAudit {
    /// Steps of the checkpoints that were compared with what leads to them.
    pub checkpoints: Vec<u64>,
    /// Steps whose records were compared.
    pub steps: u64,
    /// What is not as it should be, a sentence each.
    pub faults: Vec<String>,
    /// What could not be compared, a sentence each.
    pub notices: Vec<String>,
}

/// Compares. Changes nothing.
pub fn audit(request: CheckpointAuditRequest) -> Result<CheckpointAudit, TrainError> {
    let device = Device::select(request.config.runtime.device)?;
    check_memory(request.config)?;
    let text = Text::prepare(request.config, request.cache)?;
    if let Some(manifest) = Manifest::load(request.directory)? {
        check_same(request.directory, request.config, &text, &manifest, device)?;
    }
    let near = Nearby::list(request.directory, request.config)?;
    let reader = RunReader::open(request.directory)?;
    let changes = changes(request.config)?;
    let layouts = Layouts::of(request.directory, request.config, reader.events())?;
    let again = Again {
        config: request.config,
        changes: &changes,
        text: &text,
        device,
        layouts: &layouts,
    };
    let take = |config: &Config, mut trained: Trained| {
        let again = Again {
            config,
            changes: &[],
            ..again
        };
        let mut record = None;
        let next = trained.state.step + 1;
        let taken = again.forward(&mut trained, next, |course, trained, _| {
            record = Some(course.step(trained, None).0);
            Ok(true)
        });
        taken.ok().and(record)
    };
    let auditor = Auditor {
        request,
        near,
        reader,
        take: &take,
    };
    auditor.compare(again)
}

struct Auditor<'r, 'a> {
    request: CheckpointAuditRequest<'r>,
    near: Nearby,
    reader: RunReader,
    take: &'a streams::Take<'a>,
}

impl Auditor<'_, '_> {
    fn compare(mut self, again: Again) -> Result<CheckpointAudit, TrainError> {
        let mut audit = CheckpointAudit::default();
        let mut trained = self.beginning()?;
        for next in self.near.steps() {
            let Some(found) = self.at(next)? else {
                audit.faults.push(format!(
                    "checkpoint of step {next}: it is damaged or of another configuration"
                ));
                continue;
            };
            let (at, reach) = (trained.state.step, self.request.reach);
            if next - at > reach {
                let notice = format!(
                    "step {next} lies more than --reach {reach} steps behind step {at}: its checkpoint was not compared"
                );
                audit.notices.push(notice);
            } else if self.forward(again, &mut trained, next, &mut audit)? {
                audit.checkpoints.push(next);
                if found.state.branch() != trained.state.branch() {
                    // Weights and moments are those of the step; data and counts are what the run went back with.
                    trained.state = found.state.clone();
                }
                let faults = differences(&trained, &found).into_iter();
                let named = |fault| format!("checkpoint of step {next}: {fault}");
                audit.faults.extend(faults.map(named));
            } else {
                return Ok(audit);
            }
            trained = found;
        }
        let last = self.reader.records().last().map_or(0, |record| record.step);
        // What the run went on with from its last checkpoint; where there is none to compare, all that it recorded.
        let more = if audit.checkpoints.is_empty() {
            self.request.reach
        } else {
            1
        };
        let end = trained.state.step.saturating_add(more).min(last);
        self.forward(again, &mut trained, end, &mut audit)?;
        Ok(audit)
    }

    fn beginning(&self) -> Result<Trained, TrainError> {
        let config = self.request.config;
        let forked = self
            .reader
            .manifest()
            .and_then(|manifest| manifest.forked_at);
        let first = forked.and_then(|_| self.near.steps().first().copied());
        let at = first.map(|step| self.at(step)).transpose()?.flatten();
        // A fork begins with its first checkpoint.
        at.map_or_else(|| Trained::fresh(config), Ok)
    }

    /// The state of the checkpoint of that step, where it can be used.
    fn at(&self, step: u64) -> Result<Option<Trained>, TrainError> {
        let mut trained = Trained::fresh(self.request.config)?;
        let state = self
            .near
            .load(step, &mut trained.parameters, &mut trained.adam)?;
        let state = state.filter(|state| state.step == step);
        Ok(state.map(|state| Trained { state, ..trained }))
    }

    /// Takes the steps up to `to` and compares their records; false where somebody asked to stop. The first difference is
    /// told; those after it follow from it.
    fn forward(
        &mut self,
        again: Again,
        trained: &mut Trained,
        to: u64,
        audit: &mut CheckpointAudit,
    ) -> Result<bool, TrainError> {
        let (directory, config) = (self.request.directory, self.request.config);
        let (mut alarms, _) = Alarms::begin(directory, config, &mut trained.state)?;
        let (mut stopped, mut told) = (false, false);
        again.forward(trained, to, |course, trained, end| {
            while trained.state.step < end {
                stopped = self.request.stop.load(Ordering::Relaxed);
                if stopped {
                    return Ok(false);
                }
                let begins = self.begins_attempt(trained.state.step);
                let before = begins.then(|| trained.clone());
                let (record, turn) = course.again(trained, &mut alarms);
                (self.request.on_step)(&record);
                let Some(known) = Record::at(self.reader.records(), record.step) else {
                    continue;
                };
                audit.steps += 1;
                let differing = known.differing(&record);
                if !differing.is_empty() && !told {
                    told = true;
                    let fault = self.deviation(known, &differing, before.as_ref());
                    audit.faults.push(fault);
                }
                if let Turn::Back(_) = turn {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if stopped {
            let notice = "stopped before all was compared".to_owned();
            audit.notices.push(notice);
        }
        Ok(!stopped)
    }

    /// Whether an attempt went on after `step` steps.
    fn begins_attempt(&self, step: u64) -> bool {
        let mut events = self.reader.events().iter();
        events.any(|event| event.kind == EventKind::Resume && event.step == step)
    }

    /// What is said of a step that was recorded otherwise; `before` is the state that its attempt should have begun with.
    fn deviation(&self, known: &Record, differing: &[String], before: Option<&Trained>) -> String {
        let step = known.step;
        let place = if before.is_some() {
            ", the first of an attempt: what it began with was not what the one before had left"
        } else {
            ""
        };
        let suspect = suspect(differing);
        let before = before.filter(|_| suspect == STREAM);
        let named = before
            .and_then(|before| streams::other(self.request.config, before, known, self.take))
            .map(|streams| format!("the step gives every recorded bit with {streams}"));
        let why = named.unwrap_or(format!(
            "{} differ{}, which points at {suspect}",
            some(differing),
            if differing.len() == 1 { "s" } else { "" },
        ));
        format!("step {step} was recorded otherwise{place}; {why}")
    }
}

/// What is other in `found` than in `expected`, a clause each.
fn differences(expected: &Trained, found: &Trained) -> Vec<String> {
    let mut faults = Vec::new();
    let mut count = |what: &str, expected: u64, found: u64| {
        if expected != found {
            faults.push(format!("{what} is {found}, expected {expected}"));
        }
    };
    let (ours, theirs) = (&expected.state, &found.state);
    count(
        "Adam's count of updates",
        expected.adam.updates,
        found.adam.updates,
    );
    count(
        "the position in the data",
        ours.position.0,
        theirs.position.0,
    );
    count("the count of samples", ours.samples.0, theirs.samples.0);
    count(
        "the position in the learning rate's schedule",
        ours.optimizer_samples.0,
        theirs.optimizer_samples.0,
    );
    let (scale, other) = (ours.scaler.scale, theirs.scaler.scale);
    if scale != other {
        faults.push(format!("the loss scale is {other}, expected {scale}"));
    } else if ours.scaler != theirs.scaler {
        faults.push("the loss scaler's counters are others".to_owned());
    }
    if ours.clipper != theirs.clipper {
        faults.push("what the clipper has seen is other".to_owned());
    }
    if ours.skip_step != theirs.skip_step {
        faults.push("what `skip_step_sigma` has seen is other".to_owned());
    }
    if ours.recovered != theirs.recovered {
        faults.push("what policies have done is other".to_owned());
    }
    faults.extend(moments(expected, found));
    let weights = tensors(
        expected,
        expected.parameters.values(),
        found.parameters.values(),
    );
    if !weights.is_empty() {
        faults.push(format!("weights are others: {}", some(&weights)));
    }
    faults
}

fn moments(expected: &Trained, found: &Trained) -> Option<String> {
    let (ours, theirs) = (&expected.adam, &found.adam);
    let mut other = tensors(expected, &ours.first, &theirs.first);
    other.extend(tensors(expected, &ours.second, &theirs.second));
    other.sort();
    other.dedup();
    if other.is_empty() {
        return None;
    }
    let zero = theirs
        .first
        .iter()
        .chain(theirs.second.iter())
        .all(|value| *value == 0.0);
    Some(if zero {
        "Adam's moments are 0".to_owned()
    } else {
        format!("Adam's moments are others: {}", some(&other))
    })
}

/// Names of the parameters whose bits differ.
fn tensors(table: &Trained, expected: &[f32], found: &[f32]) -> Vec<String> {
    let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    let parameters = table.parameters.table().iter();
    parameters
        .filter(|p| !same(&expected[p.range.clone()], &found[p.range.clone()]))
        .map(|p| p.name.clone())
        .collect()
}

/// A few names of many.
pub(super) fn some(names: &[String]) -> String {
    const MOST: usize = 4;
    let shown = names.iter().take(MOST).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a loss points at that differs on the same place in the data.
const STREAM: &str = "the weights, or a random stream (dropout, order of the data)";

/// What the signals that differ in a step point at, where all before it were the same. In the order in which a step uses
/// what it was given: what differs first explains the rest.
pub(super) fn suspect(differing: &[String]) -> &'static str {
    let any = |signal: &str| differing.iter().any(|name| name == signal);
    if any("data_position") {
        "the position in the data"
    } else if any("loss") {
        STREAM
    } else if any("lr") {
        "the position in the learning rate's schedule"
    } else if any("loss_scale") {
        "the loss scaler"
    } else if any("grad_norm") {
        "what computes the backward pass"
    } else if any("clip_coefficient") {
        "the clipper"
    } else if any("update_norm") || any("adam_rms") {
        "Adam's moments or its count of updates"
    } else {
        "what is recorded, not what is trained"
    }
}

#[cfg(test)]
mod tests;
