//! How the batch grows: the stairs of the ramp, as the configuration's schedule says.

use crate::{Layout, PlanError, size};
use experiments_config::{Config, Progress, ScheduleEntry, ScheduledKey, Unit};
use serde::Serialize;

/// Steps simulated one by one before a ramp is called absurd.
const MOST_RAMP_STEPS: u64 = 5_000_000;

/// A stretch of steps with one batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stair {
    /// Sequences per step.
    pub batch: u64,
    /// Finished steps before it.
    pub step: u64,
    /// Sequences trained on before it.
    pub samples: u64,
    /// Its steps.
    pub steps: u64,
}

/// `--rampup-batch-size START INCREMENT SAMPLES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ramp {
    /// Sequences per step at first.
    pub start: u64,
    /// Sequences per step that every rise adds.
    pub increment: u64,
    /// Sequences trained on until the last rise.
    pub samples: u64,
}

/// All batch sizes of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batches {
    /// In order.
    pub stairs: Vec<Stair>,
    /// Batch size after the whole schedule.
    pub last: u64,
    /// Sequences of the whole run.
    pub samples: u64,
    /// The schedule as Megatron's ramp, where it is one.
    #[serde(skip)]
    pub ramp: Option<Ramp>,
}

impl Batches {
    /// Walks through the run. Only the ramp is simulated, in Megatron's rule (`microbatches.py`).
    pub fn of(config: &Config) -> Result<Self, PlanError> {
        size::product(
            "samples per step",
            &[
                config.batch.micro_batch as u64,
                config.batch.gradient_accumulation as u64,
            ],
        )?;
        let moves = |entry: &&ScheduleEntry| entry.key == ScheduledKey::GradientAccumulation;
        let entries: Vec<_> = config.schedule.iter().filter(moves).cloned().collect();
        // `Config::at` clones; everything else is left out of the copy.
        let mut slim = Config {
            batch: config.batch.clone(),
            schedule: entries.clone(),
            ..Config::default()
        };
        slim.data.sources.clear();
        let batch_at = |progress: Progress| {
            let batch = slim.at(progress).batch;
            size::product(
                "samples per step",
                &[batch.micro_batch as u64, batch.gradient_accumulation as u64],
            )
        };
        let last = batch_at(Progress {
            step: u64::MAX,
            samples: u64::MAX,
        })?;
        let mut batches = Self {
            stairs: Vec::new(),
            last,
            samples: 0,
            ramp: ramp(&entries, config, last)?,
        };
        let mut progress = Progress::default();
        while progress.step < config.steps && !entries.iter().all(|entry| entry.is_over(progress)) {
            if progress.step >= MOST_RAMP_STEPS {
                return Err(PlanError::Size {
                    what: "length of the batch ramp".to_owned(),
                    value: format!("more than {MOST_RAMP_STEPS} steps"),
                    expected: "expected a ramp that ends earlier".to_owned(),
                });
            }
            let batch = batch_at(progress)?;
            batches.push(&mut progress, batch, 1)?;
        }
        let rest = config.steps - progress.step;
        if rest > 0 {
            batches.push(&mut progress, last, rest)?;
        }
        batches.samples = progress.samples;
        Ok(batches)
    }

    fn push(&mut self, at: &mut Progress, batch: u64, steps: u64) -> Result<(), PlanError> {
        match self.stairs.last_mut() {
            Some(stair) if stair.batch == batch => stair.steps += steps,
            _ => self.stairs.push(Stair {
                batch,
                step: at.step,
                samples: at.samples,
                steps,
            }),
        }
        at.step += steps;
        let added = size::product("samples of the run", &[batch, steps])?;
        at.samples = size::sum("samples of the run", &[at.samples, added])?;
        Ok(())
    }

    /// Every batch must be whole micro-batches on every replica.
    pub fn check_divisible(&self, layout: &Layout) -> Result<(), PlanError> {
        let unit = layout.micro_batch_unit()?;
        let ramp = self
            .ramp
            .iter()
            .flat_map(|ramp| [ramp.start, ramp.increment]);
        let stairs = self.stairs.iter().map(|stair| stair.batch);
        for batch in stairs.chain([self.last]).chain(ramp) {
            if !batch.is_multiple_of(unit) {
                return Err(PlanError::Layout {
                    constraint: format!(
                        "a batch of {batch} sequences is not a multiple of {} data-parallel ranks × micro-batch {}",
                        layout.data_parallel, layout.micro_batch
                    ),
                    nearest: crate::nearest::nearest_multiples(batch, unit),
                });
            }
        }
        Ok(())
    }
}

impl Layout {
    /// Sequences that all replicas take together in one micro-batch.
    pub(crate) fn micro_batch_unit(&self) -> Result<u64, PlanError> {
        let what = "data-parallel ranks × micro-batch";
        let unit = size::product(what, &[self.data_parallel, self.micro_batch])?;
        size::positive(what, unit)
    }
}

/// The schedule as Megatron's ramp: from the first sample on, upwards, in stairs, over samples.
fn ramp(entries: &[ScheduleEntry], config: &Config, last: u64) -> Result<Option<Ramp>, PlanError> {
    let [entry] = entries else {
        return Ok(None);
    };
    let Some(increment) = entry.increment else {
        return Ok(None);
    };
    let from = entry
        .from
        .unwrap_or(config.batch.gradient_accumulation as f64);
    if entry.unit != Unit::Samples || entry.start != 0 || entry.length == 0 {
        return Ok(None);
    }
    let micro = config.batch.micro_batch as u64;
    let sequences = |count: f64| size::product("samples per step", &[micro, count as u64]);
    let start = sequences(from)?;
    Ok((start < last).then_some(Ramp {
        start,
        increment: sequences(increment)?,
        samples: entry.length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::load_preset;

    #[test]
    fn the_ramp_of_glm_130b_has_168_rises_and_ends_at_the_published_iteration() {
        // glm130b-facts §3: 4,296 iterations of ramp; 55,014 in all.
        let config = load_preset("glm-130b", &[]).unwrap();
        let batches = Batches::of(&config).unwrap();
        assert_eq!(batches.stairs.len(), 169);
        assert_eq!(batches.stairs[168].step, 4296);
        assert_eq!(batches.stairs[168].batch, 4224);
        let steps: u64 = batches.stairs.iter().map(|stair| stair.steps).sum();
        assert_eq!(steps, 55_014);
        assert_eq!(config.steps_for(batches.samples), 55_014);
        let ramp = batches.ramp.unwrap();
        assert_eq!(
            (ramp.start, ramp.increment, ramp.samples),
            (192, 24, 5_493_164)
        );
    }

    /// What Megatron makes of `--train-samples` (`update_train_iters`) must be our steps.
    #[test]
    fn megatron_derives_the_same_number_of_iterations() {
        let config = load_preset("glm-130b", &[]).unwrap();
        let batches = Batches::of(&config).unwrap();
        let ramp = batches.ramp.unwrap();
        let rises = (batches.last - ramp.start) / ramp.increment;
        let per_rise = ramp.samples as f64 / rises as f64;
        let (mut consumed, mut iterations) = (0, 0);
        while consumed <= ramp.samples {
            let climbed = (consumed as f64 / per_rise) as u64;
            consumed += (ramp.start + climbed * ramp.increment).min(batches.last);
            iterations += 1;
        }
        iterations += (batches.samples - consumed) / batches.last;
        assert_eq!(iterations, config.steps);
    }

    #[test]
    fn absurd_sizes_are_errors() {
        let sound = load_preset("t0", &[]).unwrap();
        let mut wide = sound.clone();
        wide.batch.gradient_accumulation = usize::MAX / 2;
        let mut long = sound;
        long.steps = u64::MAX;
        for config in [wide, long] {
            let error = Batches::of(&config).unwrap_err();
            assert!(matches!(error, PlanError::Size { .. }), "{error}");
        }
    }
}
