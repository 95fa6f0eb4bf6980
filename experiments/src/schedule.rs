//! The learning rate as a function of consumed samples.

use experiments_config::OptimizerConfig;
use std::f64::consts::PI;

/// Learning rate of the step that begins after `samples` samples: linear warm-up from 0, cosine to
/// `min_lr`, constant after. Megatron's rule, in samples (`LargeScale` `learning_rates.py`): with a
/// warm-up the very first step has learning rate 0.
#[must_use]
pub fn learning_rate(config: &OptimizerConfig, samples: u64) -> f64 {
    let OptimizerConfig {
        lr,
        min_lr,
        warmup_samples,
        decay_samples,
        ..
    } = *config;
    if samples < warmup_samples {
        return lr * samples as f64 / warmup_samples as f64;
    }
    if decay_samples == 0 {
        return lr;
    }
    if samples >= decay_samples {
        return min_lr;
    }
    let done = (samples - warmup_samples) as f64 / (decay_samples - warmup_samples) as f64;
    min_lr + 0.5 * (1.0 + (PI * done).cos()) * (lr - min_lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GLM-130B's planned schedule (2210.02414 table 11 and the released configuration).
    fn glm() -> OptimizerConfig {
        experiments_config::load_preset("glm-130b", &[])
            .unwrap()
            .optimizer
    }

    #[test]
    fn warm_up_is_linear_and_the_cosine_ends_at_the_minimum() {
        let config = glm();
        assert_eq!(learning_rate(&config, 0), 0.0);
        assert!((learning_rate(&config, 549_316) - 4e-5).abs() < 1e-15);
        assert_eq!(learning_rate(&config, 1_098_632), 8e-5);
        let middle = u64::midpoint(1_098_632, 197_753_905);
        assert!((learning_rate(&config, middle) - 4.4e-5).abs() < 1e-10);
        assert_eq!(learning_rate(&config, 197_753_905), 8e-6);
        assert_eq!(learning_rate(&config, u64::MAX), 8e-6);
    }

    #[test]
    fn without_warm_up_and_decay_it_is_constant() {
        let config = OptimizerConfig {
            lr: 1e-3,
            ..OptimizerConfig::default()
        };
        assert_eq!(learning_rate(&config, 0), 1e-3);
        assert_eq!(learning_rate(&config, 1_000_000), 1e-3);
    }
}
