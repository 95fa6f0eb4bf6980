//! The exact state of a run before one of its steps: that of the nearest checkpoint before it, taken forward by the run's
//! own steps, which are compared with its records on the way. The run is only read.

use super::alarms::Alarms;
use super::course::{Course, Turn, changes, went_back};
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
use logs::{Manifest, Record, RunReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is compared of a step that ranks took, and one process takes again.
const ROUNDED: [&str; 2] = ["loss", "grad_norm"];
/// By how much they may differ of their value: what 50 steps of any layout stay within (docs/ranks.md).
const ROUNDING: f64 = 1e-5;

/// What leads to the states of a run.
pub(super) struct Approach<'a> {
    directory: &'a Path,
    config: &'a Config,
    near: Nearby,
    pub(super) text: Text,
    pub(super) device: Device,
    reader: RunReader,
    /// What the policies of the run change.
    changes: Vec<Option<Config>>,
    layouts: Layouts,
}

/// A state on the way, and what its detectors have seen.
pub(super) struct Reached {
    pub(super) trained: Trained,
    pub(super) alarms: Alarms,
}

/// What was found on the way.
#[derive(Default)]
pub(super) struct Way {
    /// The first step whose record is not the run's, with the signals that differ.
    pub(super) deviation: Option<(u64, Vec<String>)>,
    /// False where somebody asked to stop.
    pub(super) done: bool,
}

impl<'a> Approach<'a> {
    /// Checks that the states before all `steps` can be reached, by at most `reach` steps from a checkpoint, and prepares
    /// for it.
    pub(super) fn open(
        directory: &'a Path,
        config: &'a Config,
        cache: &Cache,
        steps: &[u64],
        reach: u64,
    ) -> Result<Self, TrainError> {
        let device = Device::select(config.runtime.device)?;
        for step in steps {
            check_reachable(directory, config, *step, reach)?;
        }
        let near = Nearby::list(directory, config)?;
        let manifest = Manifest::load(directory)?;
        check_memory(config)?;
        let text = Text::prepare(config, cache)?;
        if let Some(manifest) = manifest {
            check_same(directory, config, &text, &manifest, device)?;
        }
        let reader = RunReader::open(directory)?;
        Ok(Self {
            directory,
            config,
            near,
            text,
            device,
            layouts: Layouts::of(directory, config, reader.events())?,
            reader,
            changes: changes(config)?,
        })
    }

    fn again(&self) -> Again<'_> {
        Again {
            config: self.config,
            changes: &self.changes,
            text: &self.text,
            device: self.device,
            layouts: &self.layouts,
        }
    }

    /// What takes steps of this run in one process.
    pub(super) fn course(&self) -> Result<Course<'_>, TrainError> {
        self.again().alone()
    }

    /// The newest state of at most `step` finished steps that is at hand, with its detectors.
    pub(super) fn nearest(&self, step: u64) -> Result<Reached, TrainError> {
        let mut trained = self.at_hand(step)?;
        let (alarms, _) = Alarms::begin(self.directory, self.config, &mut trained.state)?;
        Ok(Reached { trained, alarms })
    }

    /// The same state without them; of a fork the oldest there is where none of at most `step` steps is.
    pub(super) fn at_hand(&self, step: u64) -> Result<Trained, TrainError> {
        let forked = self.reader.manifest().and_then(|found| found.forked_at);
        // Its beginning is that of another run.
        let first = forked.and_then(|_| self.near.steps().first().copied());
        let trained = Trained::nearest(self.config, &self.near, step.max(first.unwrap_or(0)))?;
        if forked.is_some_and(|before| trained.state.step < before) {
            let text = "is a fork, and no checkpoint of it before the step can be used";
            return Err(problem(self.directory, text));
        }
        Ok(trained)
    }

    /// Step of the checkpoint that [`Self::nearest`] would take, 0 for the beginning.
    pub(super) fn nearest_step(&self, step: u64) -> u64 {
        let steps = self.near.steps().into_iter().rev();
        let mut before = steps.filter(|found| *found <= step);
        before.next().unwrap_or(0)
    }

    /// Takes the run's steps until `finished` of them are, by as many ranks as took them.
    pub(super) fn forward(
        &self,
        reached: &mut Reached,
        finished: u64,
        stop: &AtomicBool,
        on_step: &mut dyn FnMut(&Record),
    ) -> Result<Way, TrainError> {
        let mut way = Way::default();
        let Reached { trained, alarms } = reached;
        let done = self
            .again()
            .forward(trained, finished, |course, trained, end| {
                while trained.state.step < end {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(false);
                    }
                    let (record, turn) = course.again(trained, alarms);
                    if let Turn::Back(_) = turn {
                        return Err(went_back(self.directory, record.step, finished + 1));
                    }
                    let differs = self.differing(&record);
                    if way.deviation.is_none() && !differs.is_empty() {
                        way.deviation = Some((record.step, differs));
                    }
                    on_step(&record);
                }
                Ok(true)
            });
        way.done = done?;
        Ok(way)
    }

    /// The same as [`Self::differing`] for a step that was taken in one process: where ranks took it whose sums have
    /// another order, the loss and the gradient norm may differ by rounding.
    pub(super) fn differing_alone(&self, record: &Record) -> Vec<String> {
        let mut differing = self.differing(record);
        if self.layouts.of_step(record.step).is_some() {
            differing.retain(|signal| {
                let known = self.recorded(record.step);
                let own = record.scalar(signal);
                let known = known.and_then(|known| known.scalar(signal));
                let apart = own.zip(known).map(|(own, known)| (own / known - 1.0).abs());
                ROUNDED.contains(&signal.as_str()) && !apart.is_some_and(|apart| apart <= ROUNDING)
            });
        }
        differing
    }

    /// The signals of a step that are not what the run recorded; none where it recorded nothing.
    pub(super) fn differing(&self, record: &Record) -> Vec<String> {
        let known = self.recorded(record.step);
        known
            .map(|known| known.differing(record))
            .unwrap_or_default()
    }

    fn recorded(&self, step: u64) -> Option<&Record> {
        Record::at(self.reader.records(), step)
    }
}

pub(super) fn problem(directory: &Path, problem: impl Into<String>) -> TrainError {
    TrainError::Fork {
        path: directory.to_owned(),
        problem: problem.into(),
    }
}

/// Whether the state before a step of the run can be reached, by at most `reach` steps from a checkpoint.
pub fn check_reachable(
    directory: &Path,
    config: &Config,
    step: u64,
    reach: u64,
) -> Result<(), TrainError> {
    let near = Nearby::list(directory, config)?;
    let manifest = Manifest::load(directory)?;
    check_is_own(directory, config, manifest.as_ref(), step)?;
    let forked = manifest.is_some_and(|manifest| manifest.forked_at.is_some());
    check_reach(directory, config, &near, step, (reach, forked))
}

/// The step must be one that the run takes itself.
fn check_is_own(
    directory: &Path,
    config: &Config,
    manifest: Option<&Manifest>,
    step: u64,
) -> Result<(), TrainError> {
    let refuse = |text| Err(problem(directory, text));
    if config.is_probe() {
        return refuse(
            "measures instead of training: a probe has no state to go back to".to_owned(),
        );
    }
    let last = config.steps;
    if step == 0 || step > last {
        return refuse(format!("has no step {step}; its steps are 1 to {last}"));
    }
    let forked =
        manifest.and_then(|manifest| Some((manifest.forked_at?, manifest.parent.as_ref()?)));
    match forked {
        Some((before, parent)) if step <= before => refuse(format!(
            "is a fork of `{parent}` and has no step {step} of its own; its steps are {} to {last}",
            before + 1
        )),
        Some(_) | None => Ok(()),
    }
}

/// The step must be within reach of a checkpoint.
fn check_reach(
    directory: &Path,
    config: &Config,
    near: &Nearby,
    step: u64,
    (reach, forked): (u64, bool),
) -> Result<(), TrainError> {
    let steps = near.steps();
    let before = steps.iter().rev().find(|found| **found < step);
    let way = step - 1 - before.copied().unwrap_or(0);
    // What a fork began with is its first checkpoint, and nothing else.
    let is_lost = forked && before.is_none();
    if way <= reach && !is_lost {
        return Ok(());
    }
    let nearest = match before {
        Some(found) => format!("the nearest checkpoint before it is that of step {found}"),
        None if forked => "it is a fork, and no checkpoint lies before it".to_owned(),
        None => "no checkpoint lies before it".to_owned(),
    };
    let there = if steps.is_empty() {
        "none".to_owned()
    } else {
        let all: Vec<_> = steps.iter().map(u64::to_string).collect();
        format!("of the steps {}", all.join(", "))
    };
    if is_lost {
        let text = format!("cannot go back to step {step}: {nearest}. Checkpoints there: {there}");
        return Err(problem(directory, text));
    }
    let interval = config.checkpoint.ring_interval.max(1);
    let bytes = config.steps.div_ceil(interval) * config.checkpoint_bytes();
    Err(problem(
        directory,
        format!(
            "cannot go back to step {step}: {nearest}, and {way} steps on the way are more than --reach {reach}. Checkpoints there: {there}. \
         A ring that reaches over the whole run takes `checkpoint.ring_bytes = {bytes}`; `--reach {way}` trains the way anew"
        ),
    ))
}
