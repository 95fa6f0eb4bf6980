//! The configuration tree of one training run. It holds no tensor, so that sweeps can check a
//! card's axes against the real keys without building a model.
//!
//! One decision shapes this crate: a [`Config`] is *complete*. Presets, `extends` and `--set`
//! are resolved on plain TOML tables (the module `load`), and only the result becomes a `Config`; the
//! resolved file written into a run directory therefore needs nothing else to be read again.

mod alarm;
mod data;
mod device;
mod error;
mod fork;
mod fused;
mod inject;
mod keys;
mod load;
mod model;
mod objective;
mod optimizer;
mod overrides;
mod pack;
mod paths;
mod precision;
mod probe;
mod recovery;
mod schedule;
mod tasks;
mod training;
mod types;
mod units;
mod validate;

pub use alarm::{AlarmAction, AlarmConfig};
pub use data::{DataConfig, Source, TokenizerConfig};
pub use device::{DeviceKey, NoDevice};
pub use error::{Complaint, ConfigError};
pub use fork::{Reading, StateChange, Substitute, SubstituteKind, Withhold};
pub use inject::{Inject, InjectKind};
pub use keys::{every_entry_key, every_key, is_key, is_whole_number, key_hint};
pub use load::{load_file, load_preset, preset_names, preset_table, resolve};
pub use model::{
    Activation, Coefficient, Ffn, Function, FunctionNames, Ids, InitConfig, ModelConfig, Norm,
    NormArrangement, PlanOnly, PlannedActivation, PlannedRow, PositionEncoding, Positions,
    Residual,
};
pub use objective::{GmaskPositions, MaskPositions, ObjectiveConfig, ObjectiveMode, Packing};
pub use optimizer::{ClipMode, EgsConfig, EgsPath, OptimizerConfig};
pub use overrides::Override;
pub use paths::{anchored, names_files, settled};
pub use precision::{
    Format, LossScaleConfig, LossScaleMode, PbRelaxConfig, PbRelaxMax, PrecisionConfig, ScaleFall,
};
pub use probe::{ProbeConfig, ProbeKind};
pub use recovery::{AtLimit, Policy, PolicyKind, RecoveryConfig};
pub use schedule::{Intervention, Progress, ScheduleEntry, ScheduledKey, Unit};
pub use tasks::{TaskSource, TasksConfig};
pub use training::{
    BatchConfig, CheckpointConfig, EvalConfig, KernelChoice, RING, RecordConfig, RuntimeConfig,
};
pub use types::misfits;
pub use units::{Position, Samples};

use serde::{Deserialize, Serialize};

/// Everything that determines a run. Unknown keys are refused, see [`resolve`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Random seed. One seed fixes initialisation, data order and dropout masks, each from its
    /// own stream, so that two arms with the same seed differ only in what the arm changes.
    pub seed: u64,
    /// Optimiser steps to run (skipped steps count).
    pub steps: u64,
    /// The proxy.
    pub model: ModelConfig,
    /// The tokenizer trained on the corpus.
    pub tokenizer: TokenizerConfig,
    /// Where the text comes from.
    pub data: DataConfig,
    /// GLM blank infilling.
    pub objective: ObjectiveConfig,
    /// Multi-task instruction pre-training.
    pub tasks: TasksConfig,
    /// Batch shape.
    pub batch: BatchConfig,
    /// AdamW and its learning-rate schedule.
    pub optimizer: OptimizerConfig,
    /// Embedding gradient shrink.
    pub egs: EgsConfig,
    /// Number formats and loss scaling.
    pub precision: PrecisionConfig,
    /// Held-out evaluation.
    pub eval: EvalConfig,
    /// Checkpoints.
    pub checkpoint: CheckpointConfig,
    /// What is recorded.
    pub record: RecordConfig,
    /// How the run is executed. Not part of [`Config::hash`].
    pub runtime: RuntimeConfig,
    /// What watches the run. Part of [`Config::hash`] only where [`Config::recovery`] acts on it.
    #[serde(skip_serializing_if = "AlarmConfig::is_default")]
    pub alarm: AlarmConfig,
    /// What the run does by itself about an alarm.
    #[serde(skip_serializing_if = "RecoveryConfig::is_default")]
    pub recovery: RecoveryConfig,
    /// What the run measures instead of training.
    #[serde(skip_serializing_if = "ProbeConfig::is_default")]
    pub probe: ProbeConfig,
    /// Values that move during the run, see [`Config::at`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<ScheduleEntry>,
    /// Acts at a step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub intervention: Vec<Intervention>,
    /// Causes planted on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<Inject>,
    /// Batches that a fork reads in place of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub substitute: Vec<Substitute>,
    /// Updates that a fork withholds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withhold: Vec<Withhold>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1234,
            steps: 200,
            model: ModelConfig::default(),
            tokenizer: TokenizerConfig::default(),
            data: DataConfig::default(),
            objective: ObjectiveConfig::default(),
            tasks: TasksConfig::default(),
            batch: BatchConfig::default(),
            optimizer: OptimizerConfig::default(),
            egs: EgsConfig::default(),
            precision: PrecisionConfig::default(),
            eval: EvalConfig::default(),
            checkpoint: CheckpointConfig::default(),
            record: RecordConfig::default(),
            runtime: RuntimeConfig::default(),
            alarm: AlarmConfig::default(),
            recovery: RecoveryConfig::default(),
            probe: ProbeConfig::default(),
            schedule: Vec::new(),
            intervention: Vec::new(),
            inject: Vec::new(),
            substitute: Vec::new(),
            withhold: Vec::new(),
        }
    }
}

impl Config {
    /// Whether the run measures something instead of training.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.kind != ProbeKind::Train
    }

    /// Samples (sequences) consumed by one optimiser step.
    #[must_use]
    pub fn samples_per_step(&self) -> u64 {
        self.batch.micro_batch as u64 * self.batch.gradient_accumulation as u64
    }

    /// Token slots processed by one optimiser step, padding included.
    #[must_use]
    pub fn tokens_per_step(&self) -> u64 {
        self.samples_per_step() * self.model.seq_len as u64
    }

    /// The configuration as TOML, every key written out.
    ///
    /// # Panics
    /// Never: plain structs of numbers, strings and lists always serialise.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Serialising plain structs of numbers, strings and lists cannot fail.
        toml::to_string(self).expect("a Config is representable in TOML")
    }

    /// BLAKE3 hash (hex) of the resolved configuration without [`Config::runtime`], [`Config::alarm`] and the ring of
    /// checkpoints: thread counts, devices, who watches and what is kept do not change what is trained. Where
    /// [`Config::recovery`] acts on alarms, who watches does, and counts. A file of the user's own counts by its content
    /// where the configuration has that, else by its path.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hashed = Self {
            runtime: RuntimeConfig::default(),
            alarm: AlarmConfig::default(),
            ..self.clone()
        };
        if !self.recovery.is_off() {
            hashed.alarm = AlarmConfig {
                action: AlarmAction::None,
                ..self.alarm.clone()
            };
        }
        let ring = CheckpointConfig::default();
        hashed.checkpoint.ring_interval = ring.ring_interval;
        hashed.checkpoint.ring_bytes = ring.ring_bytes;
        hashed.forget_paths(false);
        blake3::hash(hashed.to_toml().as_bytes())
            .to_hex()
            .to_string()
    }

    /// The configuration without the paths of the user's own files: what stays the same when all of
    /// them are moved.
    #[must_use]
    pub fn without_paths(&self) -> Self {
        let mut config = self.clone();
        config.forget_paths(true);
        config
    }

    /// Drops paths, `all` or those beside a hash of the file's content.
    fn forget_paths(&mut self, all: bool) {
        let init = &mut self.model.init;
        let texts = self.data.sources.iter_mut();
        let tasks = self.tasks.sources.iter_mut();
        let files = (texts.map(|source| (&mut source.path, &source.blake3)))
            .chain(tasks.map(|source| (&mut source.path, &source.blake3)))
            .chain([(&mut init.weights, &init.weights_blake3)]);
        for (path, _) in files.filter(|(_, content)| all || content.is_some()) {
            *path = None;
        }
    }

    /// The first eight digits of [`Config::hash`], used in run names.
    #[must_use]
    pub fn short_hash(&self) -> String {
        self.hash()[..8].to_owned()
    }

    /// Estimated size of one checkpoint in bytes: FP32 weights and two FP32 Adam moments, plus
    /// names and state.
    #[must_use]
    pub fn checkpoint_bytes(&self) -> u64 {
        self.model.parameter_count(self.tokenizer.vocab_size) * 12 + 64 * 1024
    }

    /// Checkpoints that fit into the ring while a run trains; 0 where there is no ring.
    #[must_use]
    pub fn ring_slots(&self) -> usize {
        let one = self.checkpoint_bytes();
        let bytes = self.checkpoint.ring_bytes.unwrap_or(RING * one);
        match self.checkpoint.ring_interval {
            0 => 0,
            _ => (bytes / one) as usize,
        }
    }

    /// Estimated disk use of one whole run in bytes, at its most: the checkpoints that retention leaves (plus the one
    /// being written), those that its interval puts into the ring, and the metric lines. Probes write no checkpoint. When
    /// the run has finished, only what lies before an alarm is left of the ring.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        let (checkpoint, steps) = (&self.checkpoint, self.steps);
        let ring = steps.checked_div(checkpoint.ring_interval);
        let ring = ring.unwrap_or(0).min(self.ring_slots() as u64);
        let kept = match checkpoint.interval {
            _ if self.probe.kind != ProbeKind::Train => 0,
            0 => 1 + ring,
            interval => (steps / interval + 1).min(checkpoint.keep as u64 + 1) + ring,
        };
        // The first of every branch, to which the run may go back.
        let branches = if self.recovery.rolls_back() {
            self.recovery.limit.saturating_add(1)
        } else {
            0
        };
        let kept = kept.saturating_add(branches);
        // A line holds about 30 scalars and about a dozen arrays with one number per layer.
        let line = 1_000 + 180 * self.model.layers as u64;
        kept.saturating_mul(self.checkpoint_bytes()) + self.steps * line
    }
}
