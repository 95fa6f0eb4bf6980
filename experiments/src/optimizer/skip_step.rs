//! Skipping the update of a step that stands out, as OLMo-core's `SkipStepOptimizer` does
//! (ai2-olmo-core 3.0.0, `olmo_core/optim/skip_step_optimizer.py`).

#[cfg(test)]
mod tests;

use experiments_config::OptimizerConfig;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The last losses and gradient norms; part of a checkpoint, which it is not in OLMo-core.
///
/// A step is skipped when `x - μ > sigma s` for its loss (nat) or for its gradient norm (unclipped),
/// with mean μ and standard deviation s (divisor n - 1) of that value over the window before it.
/// One-sided: a low value never counts. Decisions begin when the step makes the window half full,
/// at the 64th step of 128. The values of a skipped step enter the window all the same, so that a
/// lasting change of level is accepted after a few steps.
///
/// Two differences. A value that is not finite always skips and never enters the window; in the
/// original it makes mean and deviation NaN, and every step is skipped until it has left. And at
/// least two earlier steps are needed; with windows below 6 the original compares with one, whose
/// deviation is NaN, and skips the second step of every run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SkipStep {
    losses: VecDeque<f64>,
    grad_norms: VecDeque<f64>,
}

impl SkipStep {
    /// Whether to skip the update of a step, which is then part of the past. Never with
    /// `skip_step_sigma` 0, which also keeps no past.
    pub(crate) fn observe(&mut self, config: &OptimizerConfig, loss: f64, grad_norm: f64) -> bool {
        let sigma = config.skip_step_sigma;
        if sigma <= 0.0 {
            return false;
        }
        if !loss.is_finite() || !grad_norm.is_finite() {
            return true;
        }
        let window = config.skip_step_window;
        let half_full = self.losses.len() + 1 >= window / 2;
        let skip = half_full
            && (stands_out(&self.losses, loss, sigma)
                || stands_out(&self.grad_norms, grad_norm, sigma));
        remember(&mut self.losses, loss, window);
        remember(&mut self.grad_norms, grad_norm, window);
        skip
    }
}

/// Whether a value lies more than `sigma` standard deviations above the mean of the past.
fn stands_out(past: &VecDeque<f64>, value: f64, sigma: f64) -> bool {
    if past.len() < 2 {
        return false;
    }
    let count = past.len() as f64;
    let mean = past.iter().sum::<f64>() / count;
    let squares: f64 = past.iter().map(|x| (x - mean).powi(2)).sum();
    value - mean > sigma * (squares / (count - 1.0)).sqrt()
}

fn remember(past: &mut VecDeque<f64>, value: f64, window: usize) {
    past.push_back(value);
    while past.len() > window {
        past.pop_front();
    }
}
