//! Values that change during a run, and acts at a step.
//!
//! One mechanism serves them all: [`Config::at`] gives the configuration of one step, with every
//! scheduled key replaced by its value there. What reads a configuration does not know that some
//! keys move.

mod bounds;

use crate::{Config, Samples};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Where a run stands when a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Finished steps, skipped ones too.
    pub step: u64,
    /// Samples (sequences) trained on, those of skipped steps too, those of passed-over data not.
    pub samples: u64,
}

/// A key that can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduledKey {
    /// Peak learning rate.
    #[serde(rename = "optimizer.lr")]
    Lr,
    /// Learning rate after the decay.
    #[serde(rename = "optimizer.min_lr")]
    MinLr,
    /// Factor on the learning rate.
    #[serde(rename = "optimizer.lr_scale")]
    LrScale,
    /// Weight decay.
    #[serde(rename = "optimizer.weight_decay")]
    WeightDecay,
    /// Gradient-norm limit.
    #[serde(rename = "optimizer.clip_grad")]
    ClipGrad,
    /// Embedding gradient shrink.
    #[serde(rename = "egs.alpha")]
    EgsAlpha,
    /// Share of task sequences.
    #[serde(rename = "tasks.ratio")]
    TasksRatio,
    /// Share of `[gMASK]` sequences.
    #[serde(rename = "objective.gmask_ratio")]
    GmaskRatio,
    /// Micro-batches per step: the batch ramp.
    #[serde(rename = "batch.gradient_accumulation")]
    GradientAccumulation,
}

/// In what `start` and `length` are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Finished steps.
    Steps,
    /// Samples trained on.
    Samples,
}

/// One movement of one key. Later entries win over earlier ones once they have started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleEntry {
    /// The key, for example `egs.alpha`.
    pub key: ScheduledKey,
    /// `steps` or `samples`.
    #[serde(default = "steps")]
    pub unit: Unit,
    /// Where it starts: the step after so many finished steps or samples is the first it touches.
    #[serde(default)]
    pub start: u64,
    /// How long it takes; 0 changes the value at once.
    #[serde(default)]
    pub length: u64,
    /// Value at the start; absent takes the value the key has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Value at the end; exactly one of `to` and `factor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// Value at the end as a multiple of the value the key would have without this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Moves in stairs of this height instead of evenly (Megatron's batch ramp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<f64>,
}

fn steps() -> Unit {
    Unit::Steps
}

/// An act at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// Finished steps after which it happens.
    pub step: u64,
    /// The data of so many steps is passed over. The position in the data moves, the count of
    /// trained samples and the step number do not (`LargeScale` `training.py`).
    pub skip_steps: u64,
}

impl ScheduledKey {
    pub(crate) fn value(self, config: &Config) -> f64 {
        match self {
            Self::Lr => config.optimizer.lr,
            Self::MinLr => config.optimizer.min_lr,
            Self::LrScale => config.optimizer.lr_scale,
            Self::WeightDecay => config.optimizer.weight_decay,
            Self::ClipGrad => config.optimizer.clip_grad,
            Self::EgsAlpha => config.egs.alpha,
            Self::TasksRatio => config.tasks.ratio,
            Self::GmaskRatio => config.objective.gmask_ratio,
            Self::GradientAccumulation => config.batch.gradient_accumulation as f64,
        }
    }

    pub(crate) fn set(self, config: &mut Config, value: f64) {
        match self {
            Self::Lr => config.optimizer.lr = value,
            Self::MinLr => config.optimizer.min_lr = value,
            Self::LrScale => config.optimizer.lr_scale = value,
            Self::WeightDecay => config.optimizer.weight_decay = value,
            Self::ClipGrad => config.optimizer.clip_grad = value,
            Self::EgsAlpha => config.egs.alpha = value,
            Self::TasksRatio => config.tasks.ratio = value,
            Self::GmaskRatio => config.objective.gmask_ratio = value,
            // Whole and above 0 by the checks made when the file is read.
            Self::GradientAccumulation => {
                config.batch.gradient_accumulation = (value as usize).max(1);
            }
        }
    }
}

impl ScheduleEntry {
    /// Whether its key has the value of the end from `progress` on.
    #[must_use]
    pub fn is_over(&self, progress: Progress) -> bool {
        self.position(progress) >= self.start.saturating_add(self.length)
    }

    fn position(&self, progress: Progress) -> u64 {
        match self.unit {
            Unit::Steps => progress.step,
            Unit::Samples => progress.samples,
        }
    }

    /// Both ends, given the value the key has without this entry.
    pub(crate) fn ends(&self, before: f64) -> (f64, f64) {
        let end = match (self.to, self.factor) {
            (Some(to), _) => to,
            (None, Some(factor)) => before * factor,
            (None, None) => before,
        };
        (self.from.unwrap_or(before), end)
    }

    /// The key's value at `progress`; absent before the start.
    fn value(&self, before: f64, progress: Progress) -> Option<f64> {
        let passed = self.position(progress).checked_sub(self.start)?;
        let (from, to) = self.ends(before);
        if passed >= self.length {
            return Some(to);
        }
        let share = passed as f64 / self.length as f64;
        Some(match self.increment {
            None => from + share * (to - from),
            Some(increment) => {
                let stairs = stairs((to - from).abs() / increment);
                // Megatron: whole stairs of `length / stairs` each (`microbatches.py`), here without
                // the rounding of that quotient.
                let climbed = u128::from(passed) * u128::from(stairs) / u128::from(self.length);
                from + climbed as f64 * increment * (to - from).signum()
            }
        })
    }
}

/// Whole stairs in `height` of them. 0.3 / 0.1 is a little less than 3 in floating point: what misses
/// a whole number only by rounding is that number.
fn stairs(height: f64) -> u64 {
    let nearest = height.round();
    let missed = (height - nearest).abs();
    let whole = missed <= 1e-9 * nearest;
    (if whole { nearest } else { height.floor() }) as u64
}

impl Config {
    /// The configuration of the step that begins at `progress`.
    #[must_use]
    pub fn at(&self, progress: Progress) -> Self {
        let mut config = self.clone();
        for (key, value) in self.scheduled_values(progress) {
            key.set(&mut config, value);
        }
        config
    }

    /// What every key that has begun to move is at `progress`.
    pub(crate) fn scheduled_values(&self, progress: Progress) -> Vec<(ScheduledKey, f64)> {
        let mut values: Vec<(ScheduledKey, f64)> = Vec::new();
        for entry in &self.schedule {
            let known = values.iter().position(|(key, _)| *key == entry.key);
            let before = known.map_or_else(|| entry.key.value(self), |i| values[i].1);
            let Some(value) = entry.value(before, progress) else {
                continue;
            };
            match known {
                Some(i) => values[i].1 = value,
                None => values.push((entry.key, value)),
            }
        }
        values
    }

    /// Data of how many steps is passed over after `step` finished steps.
    #[must_use]
    pub fn skip_steps_at(&self, step: u64) -> u64 {
        let here = self.intervention.iter().filter(|i| i.step == step);
        here.map(|i| i.skip_steps).sum()
    }

    /// Steps until `samples` samples have been trained on, with the batch ramp. GLM-130B's 450B
    /// tokens take 55,014 (`glm130b-facts` §3).
    #[must_use]
    pub fn steps_for(&self, samples: u64) -> u64 {
        let mut progress = Progress::default();
        while progress.samples < samples {
            progress.samples += self.at(progress).samples_per_step();
            progress.step += 1;
        }
        progress.step
    }

    /// Learning rate of an optimiser that has stepped over `samples` samples: linear warm-up from
    /// 0, cosine to `min_lr`, constant after, times `lr_scale`. Megatron's rule, in samples
    /// (`LargeScale` `learning_rates.py`): with a warm-up the very first step has learning rate 0.
    /// As in `DeepSpeed` and Megatron, samples of skipped steps do not count.
    #[must_use]
    pub fn learning_rate(&self, Samples(samples): Samples) -> f64 {
        let optimizer = &self.optimizer;
        let (peak, least) = (optimizer.lr, optimizer.min_lr);
        let (warmup, decay) = (optimizer.warmup_samples, optimizer.decay_samples);
        let rate = if samples < warmup {
            peak * samples as f64 / warmup as f64
        } else if decay == 0 {
            peak
        } else if samples >= decay {
            least
        } else {
            let done = (samples - warmup) as f64 / (decay - warmup) as f64;
            least + 0.5 * (1.0 + (PI * done).cos()) * (peak - least)
        };
        rate * optimizer.lr_scale
    }
}

#[cfg(test)]
mod tests;
