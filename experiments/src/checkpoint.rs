//! Checkpoints: everything needed to go on bit for bit.
//!
//! ```text
//! checkpoints/step-00000050/weights.safetensors     FP32 master weights by name
//!                           optimizer.safetensors   Adam moments, exp_avg.NAME and exp_avg_sq.NAME
//!                           state.json              counters and loss-scaler state
//! ```
//!
//! A checkpoint is written to a temporary name, synced and renamed, so one that has its final
//! name is whole. Random state needs no file: every stream is named by seed and index.

mod file;

pub(crate) use file::{read_weights, write_weights};

use crate::adamw::AdamW;
use crate::clipping::Clipper;
use crate::error::TrainError;
use crate::loss_scaler::LossScaler;
use crate::parameters::{Parameter, Parameters};
use crate::skip_step::SkipStep;
use experiments_config::{CheckpointConfig, Config, Format, Progress};
use file::{io_problem, problem, read, write};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const VERSION: u32 = 2;
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "optimizer.safetensors";
const STATE: &str = "state.json";

/// Counters of a run after `step` finished steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
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

/// The checkpoints of one run.
pub(crate) struct Checkpoints {
    directory: PathBuf,
    keep: usize,
}

impl Checkpoints {
    pub(crate) fn new(run: &Path, config: &CheckpointConfig) -> Self {
        Self {
            directory: run.join(logs::run::CHECKPOINTS_DIR),
            keep: config.keep,
        }
    }

    /// Writes the checkpoint of `state.step` and drops those beyond retention.
    pub(crate) fn save(
        &self,
        state: &State,
        parameters: &Parameters,
        adam: &AdamW,
    ) -> Result<PathBuf, TrainError> {
        let path = self.directory.join(directory_name(state.step));
        if path.exists() {
            return Ok(path);
        }
        let partial = self
            .directory
            .join(format!(".step-{:08}.partial", state.step));
        let io = |what: &Path| {
            let what = what.to_owned();
            move |error: std::io::Error| io_problem(&what, &error)
        };
        // Left behind by a process that was killed while it wrote.
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(io(&partial))?;
        }
        if let Err(error) = Self::write_all(&partial, state, parameters, adam) {
            // The disk may be full; what cannot be used must not fill it further.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        fs::rename(&partial, &path).map_err(io(&path))?;
        sync_directory(&self.directory)?;
        self.drop_old()?;
        Ok(path)
    }

    fn write_all(
        directory: &Path,
        state: &State,
        parameters: &Parameters,
        adam: &AdamW,
    ) -> Result<(), TrainError> {
        fs::create_dir_all(directory).map_err(|error| io_problem(directory, &error))?;
        let table = parameters.table();
        write_weights(&directory.join(WEIGHTS), parameters)?;
        let moments = [
            ("exp_avg.", &adam.first[..]),
            ("exp_avg_sq.", &adam.second[..]),
        ];
        write(&directory.join(MOMENTS), table, &moments)?;
        logs::write_json_atomic(&directory.join(STATE), state)?;
        Ok(())
    }

    /// State of the newest checkpoint of at most `step` finished steps, loaded into `parameters` and
    /// `adam`; absent without one.
    pub(crate) fn load(
        &self,
        step: u64,
        parameters: &mut Parameters,
        adam: &mut AdamW,
    ) -> Result<Option<State>, TrainError> {
        let fits = |path: &PathBuf| step_of(path).is_some_and(|found| found <= step);
        let Some(path) = self.steps()?.into_iter().rfind(fits) else {
            return Ok(None);
        };
        let file = path.join(STATE);
        let text = fs::read(&file).map_err(|error| io_problem(&file, &error))?;
        let state = parse_state(&file, &text)?;
        let table = parameters.table().to_vec();
        read_weights(&path.join(WEIGHTS), parameters)?;
        let mut moments = [
            ("exp_avg.", &mut adam.first[..]),
            ("exp_avg_sq.", &mut adam.second[..]),
        ];
        read(&path.join(MOMENTS), &table, &mut moments)?;
        adam.updates = state.updates;
        Ok(Some(state))
    }

    /// Step and weights of the newest checkpoint, or of that of `step`.
    pub(crate) fn weights(
        &self,
        config: &Config,
        step: Option<u64>,
    ) -> Result<(u64, Parameters), TrainError> {
        let all = self.steps()?;
        let found = match step {
            None => all.last(),
            Some(step) => all.iter().find(|path| step_of(path) == Some(step)),
        };
        let Some(path) = found else {
            let there = all.iter().filter_map(|path| step_of(path));
            let there: Vec<_> = there.map(|step| step.to_string()).collect();
            let text = match step {
                None => "holds no checkpoint".to_owned(),
                Some(step) => format!(
                    "holds no checkpoint of step {step}; there: {}",
                    there.join(", ")
                ),
            };
            return Err(TrainError::NoCheckpoint {
                directory: self.directory.clone(),
                problem: text,
            });
        };
        let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
        let mut parameters = Parameters::zeros(table);
        read_weights(&path.join(WEIGHTS), &mut parameters)?;
        Ok((step_of(path).unwrap_or(0), parameters))
    }

    /// Whole checkpoints, oldest first.
    fn steps(&self) -> Result<Vec<PathBuf>, TrainError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_problem(&self.directory, &error)),
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|e| {
                e.file_name()
                    .to_str()
                    .is_some_and(|name| name.starts_with("step-"))
            })
            .map(|e| e.path())
            .collect();
        found.sort();
        Ok(found)
    }

    fn drop_old(&self) -> Result<(), TrainError> {
        let steps = self.steps()?;
        for old in &steps[..steps.len().saturating_sub(self.keep)] {
            fs::remove_dir_all(old).map_err(|error| io_problem(old, &error))?;
        }
        Ok(())
    }
}

/// Names sort as steps do.
fn directory_name(step: u64) -> String {
    format!("step-{step:08}")
}

fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?
        .to_str()?
        .strip_prefix("step-")?
        .parse()
        .ok()
}

/// The version first: a newer format need not fit our types.
fn parse_state(file: &Path, text: &[u8]) -> Result<State, TrainError> {
    let damaged = |error| problem(file, format!("is damaged: {error}"));
    let value: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => {
            let text = format!("has version {found}, this program reads version {VERSION}");
            Err(problem(file, text))
        }
        _ => serde_json::from_value(value).map_err(damaged),
    }
}

fn sync_directory(path: &Path) -> Result<(), TrainError> {
    File::open(path)
        .and_then(|d| d.sync_all())
        .map_err(|error| io_problem(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments_config::ModelConfig;

    fn run(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("checkpoint-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn parts() -> (Parameters, AdamW, State) {
        let model = ModelConfig {
            layers: 1,
            hidden_size: 8,
            ffn_hidden_size: 8,
            ..ModelConfig::default()
        };
        let parameters = Parameters::initialise(&model, 16, 3);
        let mut adam = AdamW::new(parameters.len());
        adam.second.fill(f32::from_bits(1)); // a subnormal must survive
        let state = State::new(&Config::default(), parameters.table().len());
        (parameters, adam, state)
    }

    #[test]
    fn a_checkpoint_brings_back_every_bit_and_retention_keeps_the_newest() {
        let run = run("bits");
        let (parameters, adam, mut state) = parts();
        let checkpoints = Checkpoints::new(
            &run,
            &CheckpointConfig {
                interval: 1,
                keep: 2,
            },
        );
        for step in 1..=3 {
            state.step = step;
            checkpoints.save(&state, &parameters, &adam).unwrap();
        }
        assert_eq!(checkpoints.steps().unwrap().len(), 2);
        let mut fresh = parameters.clone();
        fresh.values_mut().fill(0.0);
        let mut moments = AdamW::new(fresh.len());
        let loaded = checkpoints
            .load(u64::MAX, &mut fresh, &mut moments)
            .unwrap()
            .unwrap();
        assert_eq!(loaded, state);
        assert_eq!(fresh.values(), parameters.values());
        assert_eq!(moments, adam);
        fs::remove_dir_all(run).unwrap();
    }

    #[test]
    fn damage_and_a_half_written_checkpoint_are_told_apart() {
        let run = run("damage");
        let (mut parameters, mut adam, mut state) = parts();
        let checkpoints = Checkpoints::new(
            &run,
            &CheckpointConfig {
                interval: 1,
                keep: 2,
            },
        );
        state.step = 1;
        let path = checkpoints.save(&state, &parameters, &adam).unwrap();
        fs::create_dir_all(run.join("checkpoints/.step-00000002.partial")).unwrap();
        assert!(
            checkpoints
                .load(u64::MAX, &mut parameters, &mut adam)
                .unwrap()
                .is_some()
        );
        fs::write(path.join(WEIGHTS), b"short").unwrap();
        let error = checkpoints
            .load(u64::MAX, &mut parameters, &mut adam)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(WEIGHTS) && error.contains("damaged"),
            "{error}"
        );
        fs::remove_dir_all(run).unwrap();
    }
}
