//! The counters of a checkpoint.

use super::file::problem;
use crate::error::TrainError;
use crate::numerics::loss_scaler::LossScaler;
use crate::optimizer::clipping::Clipper;
use crate::optimizer::skip_step::SkipStep;
use experiments_config::{Config, Format, Progress};
use logs::WatchState;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version that is written: 3 since there are checksums.
pub(super) const VERSION: u32 = 3;
/// Versions that are read.
const READ: std::ops::RangeInclusive<u64> = 2..=VERSION as u64;

/// Counters of a run after `step` finished steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// [`VERSION`], or 2 in a checkpoint of an earlier version of the program.
    pub(super) version: u32,
    /// Hash of the configuration that was trained.
    pub(crate) config_hash: String,
    /// Finished steps, skipped ones too.
    pub(crate) step: u64,
    /// Sequences trained on, those of skipped steps too.
    pub(crate) samples: u64,
    /// Position in the data: `samples` and what interventions passed over.
    pub(crate) position: u64,
    /// Sequences of steps that updated: where the learning rate stands.
    pub(crate) optimizer_samples: u64,
    /// Updates made by Adam.
    pub(crate) updates: u64,
    /// Steps in a row whose loss was not finite.
    pub(crate) nonfinite_steps: u64,
    pub(crate) scaler: LossScaler,
    pub(crate) clipper: Clipper,
    pub(crate) skip_step: SkipStep,
    /// What the detectors have seen; absent in a checkpoint of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alarms: Option<WatchState>,
}

impl State {
    /// Where a run begins.
    pub(crate) fn new(config: &Config, tensors: usize) -> Self {
        let optimizer = &config.optimizer;
        Self {
            version: VERSION,
            config_hash: config.hash(),
            step: 0,
            samples: 0,
            position: 0,
            optimizer_samples: 0,
            updates: 0,
            nonfinite_steps: 0,
            scaler: match config.precision.format {
                Format::Fp16 => LossScaler::new(&config.precision.loss_scale),
                Format::Fp32 | Format::Bf16 => LossScaler::off(),
            },
            clipper: Clipper::new(optimizer.clip_mode, tensors),
            skip_step: SkipStep::default(),
            alarms: None,
        }
    }

    /// What decides how training goes on.
    pub(super) fn without_alarms(&self) -> Self {
        Self {
            alarms: None,
            ..self.clone()
        }
    }

    /// The file, as it is written.
    pub(super) fn to_bytes(&self, file: &Path) -> Result<Vec<u8>, TrainError> {
        let unwritable = |error| problem(file, format!("cannot be written: {error}"));
        let text = serde_json::to_string_pretty(&self.without_alarms()).map_err(unwritable)?;
        let Some(alarms) = &self.alarms else {
            return Ok((text + "\n").into_bytes());
        };
        // Thousands of numbers, on one line so that the counters stay readable.
        let alarms = serde_json::to_string(alarms).map_err(unwritable)?;
        let open = text.strip_suffix("\n}").unwrap_or(&text);
        Ok(format!("{open},\n  \"alarms\": {alarms}\n}}\n").into_bytes())
    }

    /// Reads the file. The version comes first: another format need not fit our types.
    pub(super) fn parse(file: &Path, text: &[u8]) -> Result<Self, TrainError> {
        let damaged = |error| problem(file, format!("is damaged: {error}"));
        let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        match version {
            Some(found) if !READ.contains(&found) => Err(TrainError::CheckpointVersion {
                path: file.to_owned(),
                found,
            }),
            _ => serde_json::from_value(value).map_err(damaged),
        }
    }

    /// Where schedules stand.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            step: self.step,
            samples: self.samples,
        }
    }
}
