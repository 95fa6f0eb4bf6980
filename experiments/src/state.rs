//! What training changes, all of which a checkpoint holds.

mod recovered;

use crate::numerics::loss_scaler::LossScaler;
use crate::optimizer::adamw::AdamW;
use crate::optimizer::clipping::Clipper;
use crate::optimizer::skip_step::SkipStep;
use crate::parameters::Parameters;
use experiments_config::{Config, Format, Position, Progress, Samples};
use logs::WatchState;
use serde::{Deserialize, Serialize};

pub(crate) use recovered::{Action, Choice, Passing, Recovered};

/// A model in training.
#[derive(Clone)]
pub(crate) struct Trained {
    pub(crate) parameters: Parameters,
    pub(crate) adam: AdamW,
    pub(crate) state: State,
}

impl Trained {
    /// Where training from `parameters` begins.
    pub(crate) fn new(config: &Config, parameters: Parameters) -> Self {
        Self {
            adam: AdamW::new(parameters.len()),
            state: State::new(config, parameters.table().len()),
            parameters,
        }
    }
}

/// Counters of a run after `step` finished steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// [`State::VERSION`], or 2 in a checkpoint of an earlier version of the program.
    pub(crate) version: u32,
    /// Hash of the configuration that was trained.
    pub(crate) config_hash: String,
    /// Finished steps, skipped ones too.
    pub(crate) step: u64,
    /// Sequences trained on, those of skipped steps too.
    pub(crate) samples: Samples,
    /// Position in the data: `samples` and what interventions passed over.
    pub(crate) position: Position,
    /// Sequences of steps that updated: where the learning rate stands.
    pub(crate) optimizer_samples: Samples,
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
    /// What policies have done; absent without `[recovery]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovered: Option<Recovered>,
}

impl State {
    /// Version that is written: 3 since there are checksums.
    pub(crate) const VERSION: u32 = 3;

    /// Where a run begins.
    pub(crate) fn new(config: &Config, tensors: usize) -> Self {
        let optimizer = &config.optimizer;
        Self {
            version: Self::VERSION,
            config_hash: config.hash(),
            step: 0,
            samples: Samples(0),
            position: Position(0),
            optimizer_samples: Samples(0),
            updates: 0,
            nonfinite_steps: 0,
            scaler: match config.precision.format {
                Format::Fp16 => LossScaler::new(&config.precision.loss_scale),
                Format::Fp32 | Format::Bf16 => LossScaler::off(),
            },
            clipper: Clipper::new(optimizer.clip_mode, tensors),
            skip_step: SkipStep::default(),
            alarms: None,
            recovered: (!config.recovery.is_off()).then(Recovered::default),
        }
    }

    /// What decides how training goes on.
    pub(crate) fn without_alarms(&self) -> Self {
        Self {
            alarms: None,
            ..self.clone()
        }
    }

    /// How often the run has gone back: the number of the branch that it is on.
    pub(crate) fn branch(&self) -> u64 {
        self.recovered.as_ref().map_or(0, |done| done.branches)
    }

    /// Where schedules stand.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            step: self.step,
            samples: self.samples.0,
        }
    }
}
