//! Training steps, timed.

use super::peak::{Peak, Products};
use crate::backend::Device;
use crate::error::TrainError;
use crate::numerics::precision::half_format;
use crate::trainer::{self, Lap, Text, check_memory};
use experiments_config::{Config, Format};
use experiments_plan::flops::Work;
use experiments_text::Cache;
use kernels::bus::Moved;
use serde::Serialize;
use std::time::Duration;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Steps before the first that counts; at least 1.
    pub warm_up: usize,
    /// Steps that count, at least; at least 1.
    pub least_steps: usize,
    /// Further steps are taken until so many seconds have gone into steps that count.
    pub seconds: f64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            warm_up: 2,
            least_steps: 3,
            seconds: 5.0,
        }
    }
}

/// Rounds of one measurement: each takes the peak, then steps.
const ROUNDS: usize = 3;

/// Steps that count, at most.
const MOST_STEPS: usize = 300;

/// A configuration's speed.
#[derive(Debug, Clone, Serialize)]
pub struct Timed {
    /// `fp32`, `fp16` or `bf16`: the format of the pass.
    pub format: &'static str,
    /// Scalars of the model.
    pub parameters: u64,
    /// Slots of a step, padding included.
    pub tokens_per_step: u64,
    /// Slots of a step that have a target, on average.
    pub targets_per_step: f64,
    /// Needed floating-point operations of a step.
    pub flops_per_step: f64,
    /// Steps that were timed.
    pub steps: usize,
    /// Bytes that a step sends to the device and reads from it, and how often it waits for what it reads; of the last step.
    pub bytes_sent: u64,
    /// See above.
    pub bytes_read: u64,
    /// See above.
    pub waits: u64,
    /// Median time of a step, its fastest and its slowest, seconds.
    pub step_seconds: [f64; 3],
    /// Matrix products between these steps.
    pub peak: Peak,
}

impl Timed {
    /// Slots per second at the median.
    #[must_use]
    pub fn tokens_per_second(&self) -> f64 {
        self.tokens_per_step as f64 / self.step_seconds[0]
    }

    /// Needed operations per second at the median.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.flops_per_step / self.step_seconds[0]
    }

    /// Model FLOPs utilisation: that rate over the best matrix product between the steps, in the
    /// format of the pass where the device has units for it.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        self.flops() / self.peak.best(self.format)
    }

    /// Takes in a second measurement of the same configuration: the faster median, the fastest and the
    /// slowest step of both.
    pub fn join(&mut self, other: &Self) {
        let [median, fastest, slowest] = &mut self.step_seconds;
        *median = median.min(other.step_seconds[0]);
        *fastest = fastest.min(other.step_seconds[1]);
        *slowest = slowest.max(other.step_seconds[2]);
        self.steps += other.steps;
        self.peak.join(&other.peak);
    }

    /// Needed operations of a token, in FLOP.
    #[must_use]
    pub fn flops_per_token(&self) -> f64 {
        self.flops_per_step / self.tokens_per_step as f64
    }

    /// Time of a token in the fastest step, in seconds: others on the machine only ever add to it.
    #[must_use]
    pub fn least_seconds_per_token(&self) -> f64 {
        self.step_seconds[1] / self.tokens_per_step as f64
    }
}

/// Times the trainer's own steps of a fresh model on its text, on `runtime.device`, with rounds of
/// matrix products between them. Writes nothing. `progress` is told the share that is done.
pub fn time_steps(
    config: &Config,
    cache: &Cache,
    effort: &Effort,
    progress: &mut dyn FnMut(f64),
) -> Result<Timed, TrainError> {
    let device = Device::select(config.runtime.device)?;
    check_memory(config)?;
    let text = Text::prepare(config, cache)?;
    let mut rounds = Rounds {
        config,
        device,
        effort,
        progress,
        peak: Peak::default(),
        times: Vec::new(),
        targets: 0,
        moved: Moved::default(),
        warm: false,
    };
    let warm_up = effort.warm_up.max(1);
    trainer::time_steps(config, &text, device, warm_up, |laps| rounds.next(laps))?;
    Ok(rounds.timed())
}

/// Measures the peak between groups of steps, and keeps their times.
struct Rounds<'a> {
    config: &'a Config,
    device: Device,
    effort: &'a Effort,
    progress: &'a mut dyn FnMut(f64),
    peak: Peak,
    times: Vec<Duration>,
    targets: usize,
    moved: Moved,
    warm: bool,
}

impl Rounds<'_> {
    /// Takes in the steps since the last call; returns how many to take next.
    fn next(&mut self, laps: &[Lap]) -> Result<usize, TrainError> {
        if self.warm {
            self.times.extend(laps.iter().map(|lap| lap.time));
            self.targets += laps.iter().map(|lap| lap.targets).sum::<usize>();
        }
        self.warm = true;
        let Some(last) = laps.last() else {
            return Ok(0);
        };
        self.moved = last.moved;
        let spent: Duration = self.times.iter().sum();
        let by_time = spent.as_secs_f64() / self.effort.seconds.max(f64::MIN_POSITIVE);
        let by_steps = self.times.len() as f64 / self.effort.least_steps.max(1) as f64;
        (self.progress)(by_time.min(by_steps).min(1.0));
        let half = half_format(self.config.precision.format);
        self.peak.join(&self.device.run(Products { half })?);
        let enough = by_time >= 1.0 && by_steps >= 1.0;
        if enough || self.times.len() >= MOST_STEPS {
            return Ok(0);
        }
        let share = self.effort.seconds / ROUNDS as f64;
        let fit = (share / last.time.as_secs_f64().max(1e-6)).ceil() as usize;
        Ok(fit.clamp(1, MOST_STEPS - self.times.len()))
    }

    fn timed(mut self) -> Timed {
        self.times.sort_unstable();
        let (steps, config) = (self.times.len(), self.config);
        let at = |i: usize| self.times[i].as_secs_f64();
        let middle = f64::midpoint(at((steps - 1) / 2), at(steps / 2));
        let samples = config.samples_per_step();
        let targets_per_step = self.targets as f64 / steps as f64;
        let slots = samples as f64 * config.model.seq_len as f64;
        Timed {
            format: match config.precision.format {
                Format::Fp32 => "fp32",
                Format::Fp16 => "fp16",
                Format::Bf16 => "bf16",
            },
            parameters: (config.model).parameter_count(config.tokenizer.vocab_size),
            tokens_per_step: config.tokens_per_step(),
            targets_per_step,
            flops_per_step: Work::of(config).step_at_targets(samples, targets_per_step / slots),
            steps,
            bytes_sent: self.moved.up,
            bytes_read: self.moved.down,
            waits: self.moved.reads,
            step_seconds: [middle, at(0), at(steps - 1)],
            peak: self.peak,
        }
    }
}
