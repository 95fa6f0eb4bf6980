//! Samples after so many steps, with the batch ramp.

use crate::PlanError;
use crate::size::{product, sum};
use experiments_config::{Config, Progress};

/// Most steps that are played one by one; ramps are over long before.
const MOST_STEPS: u64 = 2_000_000;

/// Samples (sequences) trained on after `steps` steps: one by one while any scheduled key still
/// moves, at the last batch from there on.
pub(crate) fn samples_after(config: &Config, steps: u64) -> Result<u64, PlanError> {
    let moves = |progress| !config.schedule.iter().all(|entry| entry.is_over(progress));
    let mut progress = Progress::default();
    while progress.step < steps && moves(progress) {
        if progress.step >= MOST_STEPS {
            return Err(PlanError::Size {
                what: "schedule".to_owned(),
                value: format!("still moving after {MOST_STEPS} steps"),
                expected: "shorter ramps".to_owned(),
            });
        }
        progress.samples = sum(
            "samples",
            &[progress.samples, config.at(progress).samples_per_step()],
        )?;
        progress.step += 1;
    }
    let rest = product(
        "steps × samples per step",
        &[
            steps - progress.step,
            config.at(progress).samples_per_step(),
        ],
    )?;
    sum("samples", &[progress.samples, rest])
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::load_preset;

    /// The shortcut behind the ramp must agree with playing every step: the planned 219,726,562
    /// samples are passed with step 55,014.
    #[test]
    fn agrees_with_every_step_played() {
        let config = load_preset("glm-130b", &[]).unwrap();
        assert_eq!(config.steps_for(219_726_562), 55_014);
        assert!(samples_after(&config, 55_014).unwrap() >= 219_726_562);
        assert!(samples_after(&config, 55_013).unwrap() < 219_726_562);
    }

    /// A run of absurd length is an error, not an endless loop.
    #[test]
    fn absurd_lengths_end() {
        let config = load_preset("glm-130b", &[]).unwrap();
        assert!(samples_after(&config, u64::MAX).is_err());
    }
}
