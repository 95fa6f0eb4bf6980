//! A run's weights in 4 or 8 bits: files, what every matrix lost, and what the model lost on held-out text.
//!
//! Which matrices are quantized says [`crate::quantization`]. What is measured on held-out text is read back from the file that
//! was written.

mod quality;

pub use quality::Quality;

use crate::backend::Device;
use crate::error::TrainError;
use crate::files::checkpoint::Nearby;
use crate::files::quantized::{read_quantized, write_quantized};
use crate::optimizer::adamw::AdamW;
use crate::parameters::{Parameter, Parameters};
use crate::quantization::{Calibrations, Method, in_fp16, quantize_maps};
use crate::trainer::{Text, Training, check_memory};
use experiments_config::Config;
use experiments_quantization::{Bits, Loss, Quantized, Scheme, Shape};
use experiments_text::Cache;
use quality::Judge;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Which checkpoints of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Newest,
    /// That of a step.
    Step(u64),
    /// All there are, those of the ring too.
    All,
}

/// What is to be quantized, and how.
pub struct QuantizeRequest<'a> {
    /// Run directory; only read, unless `out` lies in it.
    pub directory: &'a Path,
    /// Its configuration.
    pub config: &'a Config,
    /// Text and token cache.
    pub cache: &'a Cache,
    /// Which checkpoints.
    pub which: Which,
    /// Checkpoints whose mean is quantized: each with so many before it, less one.
    pub average: usize,
    /// What is done with a matrix.
    pub scheme: Scheme,
    /// Bits of a code.
    pub bits: Bits,
    /// Tensor-parallel ranks, each of which quantizes what it has of a row.
    pub tensor_parallel: usize,
    /// Slots of training text whose passes show a calibrated rule what the maps read.
    pub calibration_tokens: usize,
    /// Folder of the files, which is made.
    pub out: &'a Path,
    /// Called when a checkpoint is done, with how many there are.
    pub on_done: &'a mut dyn FnMut(&QuantizedStep, usize),
}

/// One checkpoint, quantized.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantizedStep {
    /// Its step.
    pub step: u64,
    /// The steps whose mean it is, where it is one.
    pub averaged: Vec<u64>,
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What all parameters take in FP16.
    pub fp16_bytes: u64,
    /// On held-out text.
    pub quality: Quality,
    /// Every matrix, in the order of the model.
    pub matrices: Vec<QuantizedMatrix>,
}

/// What became of one matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantizedMatrix {
    /// Its name.
    pub name: String,
    /// Rows (outputs) and columns (inputs).
    pub shape: [usize; 2],
    /// Of its FP16 weights.
    #[serde(flatten)]
    pub loss: Loss,
    /// How those are distributed.
    #[serde(flatten)]
    pub weights: Shape,
    /// Weights outside the range of their block's codes.
    pub clipped: u64,
    /// Blocks that are all zero.
    pub empty_blocks: u64,
}

/// Quantizes the checkpoints in their order.
pub fn quantize_run(request: &mut QuantizeRequest) -> Result<Vec<QuantizedStep>, TrainError> {
    let config = request.config;
    check_memory(config)?;
    let near = Nearby::list(request.directory, config)?;
    let steps = steps(request, &near.steps())?;
    let device = Device::select(config.runtime.device)?;
    let text = Text::prepare(config, request.cache)?;
    let training = Training::new(config, &text, device.engine(config, None)?);
    let judge = Judge::new(&training);
    let mut done = Vec::new();
    for own in &steps {
        let weights = mean(request, &near, own)?;
        let step = one(request, &judge, own, &weights)?;
        (request.on_done)(&step, steps.len());
        done.push(step);
    }
    Ok(done)
}

/// For each checkpoint that is asked for the steps whose mean it is, itself last.
fn steps(request: &QuantizeRequest, there: &[u64]) -> Result<Vec<Vec<u64>>, TrainError> {
    let refuse = |problem: String| {
        Err(TrainError::NoCheckpoint {
            directory: request.directory.to_owned(),
            problem,
        })
    };
    let listed: Vec<String> = there.iter().map(u64::to_string).collect();
    let listed = listed.join(", ");
    let asked = match request.which {
        _ if there.is_empty() => return refuse("holds no checkpoint".to_owned()),
        Which::All => request.average.saturating_sub(1)..there.len(),
        Which::Newest => there.len() - 1..there.len(),
        Which::Step(step) => match there.iter().position(|found| *found == step) {
            Some(at) => at..at + 1,
            None => {
                return refuse(format!(
                    "holds no checkpoint of step {step}; there: {listed}"
                ));
            }
        },
    };
    let average = request.average.max(1);
    if asked.start + 1 < average || asked.is_empty() {
        return refuse(format!(
            "has not {average} checkpoints to take the mean of, up to the one that is asked for; there: {listed}"
        ));
    }
    Ok(asked
        .map(|at| there[at + 1 - average..=at].to_vec())
        .collect())
}

/// The weights of a checkpoint, or the mean of several.
fn mean(request: &QuantizeRequest, near: &Nearby, steps: &[u64]) -> Result<Parameters, TrainError> {
    let config = request.config;
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut parameters = Parameters::zeros(table);
    let mut sums = vec![0.0_f64; parameters.len()];
    for step in steps {
        let mut adam = AdamW::new(parameters.len());
        let found = near.load(*step, &mut parameters, &mut adam)?;
        if found.map(|state| state.step) != Some(*step) {
            return Err(TrainError::NoCheckpoint {
                directory: request.directory.to_owned(),
                problem: format!(
                    "has a damaged checkpoint of step {step}; `workbench doctor` says of what"
                ),
            });
        }
        for (sum, value) in sums.iter_mut().zip(parameters.values()) {
            *sum += f64::from(*value);
        }
    }
    for (value, sum) in parameters.values_mut().iter_mut().zip(&sums) {
        *value = (sum / steps.len() as f64) as f32;
    }
    Ok(parameters)
}

/// Quantizes weights, writes the file, and measures what it holds.
fn one(
    request: &QuantizeRequest,
    judge: &Judge,
    steps: &[u64],
    weights: &Parameters,
) -> Result<QuantizedStep, TrainError> {
    let step = steps.last().copied().unwrap_or_default();
    let half = in_fp16(weights);
    let calibrations = if request.scheme.rule.is_calibrated() {
        judge.calibrate(&half, request.calibration_tokens)
    } else {
        Calibrations::default()
    };
    let method = Method {
        scheme: request.scheme,
        bits: request.bits,
        tensor_parallel: request.tensor_parallel,
    };
    let matrices = quantize_maps(weights, method, &calibrations)?;
    let file = request.out.join(format!("step-{step:08}.safetensors"));
    std::fs::create_dir_all(request.out)
        .map_err(|error| logs::LogError::io("make", request.out, error))?;
    let bytes = write_quantized(&file, weights, &matrices, about(request, steps))?;
    let mut read = Parameters::zeros(weights.table().to_vec());
    read_quantized(&file, &mut read)?;
    Ok(QuantizedStep {
        step,
        averaged: if steps.len() > 1 {
            steps.to_vec()
        } else {
            Vec::new()
        },
        file,
        bytes,
        fp16_bytes: 2 * weights.len() as u64,
        quality: judge.compare(weights, &half, &read),
        matrices: told(&half, &matrices),
    })
}

/// The file's metadata.
fn about(request: &QuantizeRequest, steps: &[u64]) -> HashMap<String, String> {
    let listed: Vec<String> = steps.iter().map(u64::to_string).collect();
    let about = [
        ("scheme", request.scheme.to_string()),
        ("bits", request.bits.count().to_string()),
        ("tensor_parallel", request.tensor_parallel.to_string()),
        ("steps", listed.join(",")),
        ("config_hash", request.config.hash()),
    ];
    about
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

/// What became of every matrix, in the order of the model; `half` are the weights in FP16.
fn told(half: &Parameters, matrices: &HashMap<String, Quantized>) -> Vec<QuantizedMatrix> {
    let of = |parameter: &Parameter| {
        let made = matrices.get(&parameter.name)?;
        let held = &half.values()[parameter.range.clone()];
        let shape = made.shape();
        Some(QuantizedMatrix {
            name: parameter.name.clone(),
            shape,
            loss: Loss::between(held, &made.values()),
            weights: Shape::of(held, shape[1]),
            clipped: made.clipped(),
            empty_blocks: made.empty_blocks(),
        })
    };
    half.table().iter().filter_map(of).collect()
}
