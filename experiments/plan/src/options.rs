//! What a plan assumes, and what is known from elsewhere.

use crate::energy::EnergyOptions;
use crate::glm_130b::is_glm_130b;
use crate::memory::MemoryOptions;
use crate::step_time::{Coefficients, Fitted, Spread};
use crate::{PlanError, Trainer};
use experiments_config::Config;
use serde::{Deserialize, Serialize};

/// What is assumed, and what is known from elsewhere.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanOptions {
    /// About the trainer's memory.
    pub memory: MemoryOptions,
    /// About power.
    pub energy: EnergyOptions,
    /// Share of the peak that large matrix products attain; absent takes the fitted one.
    pub efficiency: Option<f64>,
    /// The program that trains; absent takes [`Trainer::usual`].
    pub trainer: Option<Trainer>,
    /// Whether products of weights are computed in FP8.
    pub fp8: bool,
    /// Coefficients of the step-time model; absent takes those that are shipped.
    pub coefficients: Option<Coefficients>,
    /// How far off these are; absent takes what the shipped ones are off by.
    pub spread: Option<Spread>,
    /// Tokens to train on; absent takes those of the configuration's steps.
    pub tokens: Option<u64>,
    /// Measured seconds per step; utilisation, days and energy then follow from them instead of
    /// from the model's.
    pub measured_seconds: Option<f64>,
}

impl PlanOptions {
    /// What is assumed where nobody says anything: GLM-130B's trainer divides saved inputs of layers over the
    /// tensor ranks, others' need not.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut options = Self::default();
        options.memory.partition_checkpoints = is_glm_130b(config);
        options
    }

    /// The same by a fit of one's own: its coefficients, and the interval that it found.
    #[must_use]
    pub fn with_fit(mut self, fitted: Fitted) -> Self {
        self.coefficients = Some(fitted.coefficients);
        self.spread = Some(fitted.spread);
        self
    }

    /// The same with changes of what is assumed about memory, each `KEY=VALUE`.
    pub fn with_memory(mut self, changes: &[String]) -> Result<Self, PlanError> {
        let wrong = |problem: String| PlanError::Size {
            what: "memory".to_owned(),
            value: words::printable(&changes.join(" ")).into_owned(),
            expected: problem,
        };
        let mut table =
            toml::Table::try_from(&self.memory).map_err(|error| wrong(error.to_string()))?;
        for change in changes {
            let own: toml::Table = change.parse().map_err(|_| {
                wrong(
                    "expected KEY=VALUE, for example fragmentation=0.1 or gradient_copy=true"
                        .to_owned(),
                )
            })?;
            table.extend(own);
        }
        self.memory = table
            .try_into()
            .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong key is named beside those that there are.
    #[test]
    fn memory_is_changed_by_key() {
        let changed = |text: &str| PlanOptions::default().with_memory(&[text.to_owned()]);
        assert!(
            changed("gradient_copy=true")
                .unwrap()
                .memory
                .gradient_copy
                .unwrap()
        );
        assert!(changed("fragmentation=0.1").unwrap().memory.fragmentation < 0.2);
        let error = changed("fragments=0.1").unwrap_err().to_string();
        assert!(
            error.contains("fragments") && error.contains("`fragmentation`"),
            "{error}"
        );
        assert!(
            changed("a b")
                .unwrap_err()
                .to_string()
                .contains("KEY=VALUE")
        );
    }
}
