//! Values far from their recent mean.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::sums::Sums;
use super::{Alarm, AlarmKind};

/// When a value counts as a spike: z = (y − mean) / sd of the last `window` calm values, `sd` being
/// the population standard deviation, is at least `sigma`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpikeRule {
    /// Name in alarms and reports.
    pub name: String,
    /// Values in the baseline.
    pub window: usize,
    /// Threshold, standard deviations.
    pub sigma: f64,
    /// Whether a fall counts as well: |z| instead of z.
    pub two_sided: bool,
    /// Values needed before the first judgement.
    pub min_history: usize,
    /// A spike of this many values is a new level: the baseline starts over from there.
    pub release_after: usize,
}

impl SpikeRule {
    /// `OLMo` 2 (arXiv 2501.00656, §3.2): 7 standard deviations from the mean of the last 1000 values.
    ///
    /// The paper leaves open the sign, the start and whether the value is inside its window. Ours:
    /// both signs, outside, and a start after 100 values, since most runs here are shorter than 1000.
    #[must_use]
    pub fn olmo2_1000_7() -> Self {
        Self {
            name: "olmo2-1000/7".to_owned(),
            window: 1000,
            sigma: 7.0,
            two_sided: true,
            min_history: 100,
            release_after: 100,
        }
    }

    /// OLMo-core (`train/callbacks/stability_monitor.py`): more than 6 standard deviations above the mean
    /// of the last 128 values, the value outside its window.
    ///
    /// The start after half a window is that of OLMo-core's `optim/skip_step_optimizer.py`, which has
    /// the same 128/6 (the callback waits for all 128); the freezing during a spike is ours.
    #[must_use]
    pub fn olmo_core_128_6() -> Self {
        Self {
            name: "olmo-core-128/6".to_owned(),
            window: 128,
            sigma: 6.0,
            two_sided: false,
            min_history: 64,
            release_after: 100,
        }
    }
}

/// Scores are cut off here: beyond, the baseline was constant and the number says nothing.
const MAX_SCORE: f64 = 1e6;

/// Smallest standard deviation, relative to the mean, that is taken at its word. Below, the variation is
/// rounding of f32 arithmetic, and one unit in the last place would be a spike.
const MIN_RELATIVE_SD: f64 = 1e-6;

/// Watches one signal for spikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpikeDetector {
    signal: String,
    rule: SpikeRule,
    /// The last calm values, oldest first.
    baseline: VecDeque<f64>,
    /// Values of the present spike; 0 when calm.
    spike_len: usize,
    /// Saves the sums over the baseline where they cannot matter.
    #[serde(skip)]
    sums: Sums,
}

/// What a value is, seen from the values before it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Judgement {
    TooEarly,
    NonFinite,
    Calm,
    Spike { mean: f64, z: f64 },
}

impl SpikeDetector {
    /// Watches `signal` by `rule`.
    #[must_use]
    pub fn new(signal: &str, rule: SpikeRule) -> Self {
        Self {
            signal: signal.to_owned(),
            rule,
            baseline: VecDeque::new(),
            spike_len: 0,
            sums: Sums::default(),
        }
    }

    /// The signal it watches.
    #[must_use]
    pub fn signal(&self) -> &str {
        &self.signal
    }

    /// Takes the value of a step. An alarm is raised where a spike begins.
    pub fn observe(&mut self, step: u64, value: f64) -> Option<Alarm> {
        let spike_before = self.spike_len;
        match self.take(value) {
            Judgement::Spike { mean, z } if spike_before == 0 => {
                let side = if z < 0.0 { "below" } else { "above" };
                Some(Alarm {
                    step,
                    kind: AlarmKind::Spike,
                    signal: self.signal.clone(),
                    rule: self.rule.name.clone(),
                    value,
                    before: Some(mean),
                    score: z,
                    message: format!(
                        "{} is {value:.4}, {:.1} standard deviations {side} its recent mean of {mean:.4}",
                        self.signal,
                        z.abs()
                    ),
                })
            }
            _ => None,
        }
    }

    /// Judges a value and updates the state.
    fn take(&mut self, value: f64) -> Judgement {
        let judgement = self.judge(value);
        match judgement {
            Judgement::NonFinite => {}
            Judgement::Calm | Judgement::TooEarly => self.accept(value),
            Judgement::Spike { .. } => {
                self.spike_len += 1;
                if self.spike_len >= self.rule.release_after {
                    self.baseline.clear();
                    self.sums = Sums::default();
                    self.accept(value);
                }
            }
        }
        judgement
    }

    fn accept(&mut self, value: f64) {
        self.spike_len = 0;
        self.baseline.push_back(value);
        let oldest = if self.baseline.len() > self.rule.window {
            self.baseline.pop_front()
        } else {
            None
        };
        self.sums.replace(oldest, value);
        if self.sums.is_worn(self.rule.window) {
            self.sums = Sums::of(&self.baseline);
        }
    }

    fn judge(&self, value: f64) -> Judgement {
        if !value.is_finite() {
            return Judgement::NonFinite;
        }
        if self.baseline.len() < self.rule.min_history.max(2) {
            return Judgement::TooEarly;
        }
        if self
            .sums
            .is_surely_calm(value, self.baseline.len(), self.rule.sigma)
        {
            return Judgement::Calm;
        }
        // Summed anew: running sums would lose a small variance beside a large mean.
        let n = self.baseline.len() as f64;
        let mean = self.baseline.iter().sum::<f64>() / n;
        let variance = self
            .baseline
            .iter()
            .map(|y| (y - mean).powi(2))
            .sum::<f64>()
            / n;
        let sd = variance
            .sqrt()
            .max(MIN_RELATIVE_SD * mean.abs())
            .max(f64::MIN_POSITIVE);
        let z = ((value - mean) / sd).clamp(-MAX_SCORE, MAX_SCORE);
        let score = if self.rule.two_sided { z.abs() } else { z };
        if score >= self.rule.sigma {
            Judgement::Spike { mean, z }
        } else {
            Judgement::Calm
        }
    }
}

#[cfg(test)]
mod tests;
