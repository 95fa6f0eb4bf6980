//! A slice of the full model: real layers at their true width with their true initialisation, forward
//! and backward, to see what FP16 has to hold. No optimiser, no step.
//!
//! The trainer keeps several copies of every weight, and its backward pass a gradient for each; a
//! layer of 1.8 billion parameters leaves no room for that. So this is a second implementation of the
//! layer, on plain slices: one copy of the weights, rounded in place, and gradients that are reduced to
//! their statistics block by block. A test holds it to the first, which other devices use (`graph`).
//!
//! Letters: `s` slots, `h` width, `n` heads, `d` head dimension, `f` feed-forward width.

mod attention;
mod covered;
mod gelu;
mod graph;
mod input;
mod layer;
mod linear;
mod norm;
mod stats;
#[cfg(test)]
mod tests;

pub use input::residual_rms;
pub use stats::{Addition, Pass, TensorStats};

use crate::backend::Device;
use crate::error::TrainError;
use crate::files::provenance;
use crate::numerics::precision::half_format;
use crate::parameters::Parameter;
use experiments_config::{Config, ModelConfig};
use graph::GraphSlice;
use input::Sequence;
use kernels::HalfFormat;
use layer::Layer;
use serde::Serialize;
use stats::Recorder;
use std::ops::Range;
use std::time::Instant;

/// What to slice.
pub struct LayerStudy<'a> {
    /// The full configuration; `precision.format` says whether values are rounded.
    pub config: &'a Config,
    /// Layers computed, from `position` on.
    pub layers: usize,
    /// First layer, counted from 0.
    pub position: usize,
    /// Slots of the one sequence.
    pub tokens: usize,
    /// RMS of the residual stream that enters; absent takes the analytic value.
    pub input_rms: Option<f64>,
    /// Factor on the loss; absent takes the first loss scale, 1 without FP16.
    pub loss_scale: Option<f64>,
    /// Micro-batches of a step (of one replica): each contributes its share of the loss, so gradients
    /// are smaller by this factor.
    pub micro_batches: u64,
    /// Called with what is being done, and the share that is done.
    pub progress: &'a mut dyn FnMut(&str, f64),
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct LayerStudyReport {
    /// First layer and number of layers.
    pub position: usize,
    /// Layers computed.
    pub layers: usize,
    /// Slots.
    pub tokens: usize,
    /// Parameters of the layers.
    pub parameters: u64,
    /// RMS of the input, and where it is from.
    pub input_rms: f64,
    /// Slots with a target: those at which a gradient came from above.
    pub targets: usize,
    /// RMS of the gradient that came from above at these slots, times the loss scale.
    pub gradient_rms: f64,
    /// Factor on the loss.
    pub loss_scale: f64,
    /// Micro-batches over which a step's loss is the mean.
    pub micro_batches: u64,
    /// Both residual additions of every layer, from below.
    pub additions: Vec<Addition>,
    /// Every tensor, in order of computation.
    pub tensors: Vec<TensorStats>,
    /// Wall time of initialisation, forward and backward.
    pub seconds: [f64; 3],
    /// Multiplications and additions of matrix products in both passes.
    pub flops: f64,
    /// Largest resident memory of the process so far, bytes; 0 where the system does not say.
    pub peak_bytes: u64,
}

/// What a slice runs on.
struct Run<'a> {
    config: &'a Config,
    layers: Range<usize>,
    sequence: Sequence,
    /// Residual stream that enters the lowest layer and gradient that enters the highest, `[s, h]`.
    input: Vec<f32>,
    gradient: Vec<f32>,
}

/// Runs the layers forward and backward: on the CPU by the lean implementation, on another device by
/// the trainer's own layers.
pub fn layer_study(request: LayerStudy) -> Result<LayerStudyReport, TrainError> {
    check(&request)?;
    let LayerStudy {
        config,
        layers,
        position,
        tokens,
        input_rms,
        loss_scale,
        micro_batches,
        progress,
    } = request;
    let device = Device::select(config.runtime.device)?;
    let format = half_format(config.precision.format);
    let loss_scale = loss_scale.unwrap_or(match format {
        Some(HalfFormat::Fp16) => config.precision.loss_scale.initial,
        Some(HalfFormat::Bf16) | None => 1.0,
    });
    let analytic = || residual_rms(config, position);
    let input_rms = input_rms.unwrap_or_else(analytic);
    let scale = loss_scale / micro_batches.max(1) as f64;
    let sequence = Sequence::mean(config, tokens);
    let targets = sequence.targets.len();
    let gradient_rms = scale * input::gradient_rms(config, targets);
    let values = tokens * config.model.hidden_size;
    let run = Run {
        config,
        layers: position..position + layers,
        input: input::normal(config.seed, "slice/input", values, input_rms),
        gradient: sequence.gradient(config, gradient_rms),
        sequence,
    };
    let mut recorder = Recorder::new(format);
    let seconds = if device == Device::CPU {
        run.lean(&mut recorder, progress)
    } else {
        run.graph(device, &mut recorder, progress)?
    };
    progress("done", 1.0);
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    Ok(LayerStudyReport {
        position,
        layers,
        tokens,
        parameters: parameters(&table, position..position + layers),
        input_rms,
        targets,
        gradient_rms,
        loss_scale,
        micro_batches,
        additions: recorder.take_additions(),
        tensors: recorder.finish(),
        seconds,
        flops: 3.0 * layers as f64 * forward_flops(&config.model, tokens),
        peak_bytes: provenance::peak_memory(),
    })
}

impl Run<'_> {
    /// One copy of the weights; gradients looked at and dropped. Seconds for drawing, forward and
    /// backward.
    fn lean(self, recorder: &mut Recorder, progress: &mut dyn FnMut(&str, f64)) -> [f64; 3] {
        let (config, tokens) = (self.config, self.sequence.slots);
        let prefix = self.sequence.prefix;
        let count = self.layers.len() as f64;
        let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
        let start = Instant::now();
        let mut stack = Vec::with_capacity(self.layers.len());
        for number in self.layers.clone() {
            let share = 0.2 * stack.len() as f64 / count;
            progress(
                &format!("drawing the weights of layer {}", number + 1),
                share,
            );
            stack.push(Layer::draw(config, &table, number, recorder).with_prefix(prefix));
        }
        let drawn = start.elapsed().as_secs_f64();
        let mut x_sh = self.input;
        let mut kept = Vec::with_capacity(stack.len());
        for (number, layer) in self.layers.clone().zip(&stack) {
            let share = 0.2 + 0.25 * kept.len() as f64 / count;
            progress(&format!("forward, layer {}", number + 1), share);
            let (y_sh, saved) = layer.forward(x_sh, tokens, recorder);
            kept.push(saved);
            x_sh = y_sh;
        }
        drop(x_sh);
        let forward = start.elapsed().as_secs_f64() - drawn;
        let mut dx_sh = self.gradient;
        for (number, layer) in self.layers.zip(&stack).rev() {
            let Some(saved) = kept.pop() else { break };
            let share = 0.45 + 0.55 * (1.0 - (kept.len() + 1) as f64 / count);
            progress(&format!("backward, layer {}", number + 1), share);
            dx_sh = layer.backward(dx_sh, saved, tokens, recorder);
        }
        let backward = start.elapsed().as_secs_f64() - drawn - forward;
        [drawn, forward, backward]
    }

    /// By the trainer's layers; the passes are not timed apart.
    fn graph(
        self,
        device: Device,
        recorder: &mut Recorder,
        progress: &mut dyn FnMut(&str, f64),
    ) -> Result<[f64; 3], TrainError> {
        let start = Instant::now();
        progress("forward and backward by the trainer's layers", 0.0);
        *recorder = device.run(GraphSlice {
            config: self.config,
            layers: self.layers,
            sequence: self.sequence,
            input: self.input,
            gradient: self.gradient,
            recorder: std::mem::take(recorder),
        })?;
        Ok([0.0, 0.0, start.elapsed().as_secs_f64()])
    }
}

fn parameters(table: &[Parameter], layers: Range<usize>) -> u64 {
    let inside = |p: &&Parameter| p.layer.is_some_and(|layer| layers.contains(&layer));
    table
        .iter()
        .filter(inside)
        .map(|p| p.range.len() as u64)
        .sum()
}

/// Two operations per multiplication with a weight and slot, and attention's two products.
fn forward_flops(model: &ModelConfig, tokens: usize) -> f64 {
    let (h, f, s) = (
        model.hidden_size as f64,
        model.ffn_hidden_size as f64,
        tokens as f64,
    );
    let weights = 4.0 * h * h + h * (model.ffn_up_size() as f64 + f);
    2.0 * s * weights + 4.0 * s * s * h
}

/// Refuses what is out of range, what this implementation does not know, and what does not fit.
fn check(request: &LayerStudy) -> Result<(), TrainError> {
    let problem = |problem: String| Err(TrainError::LayerStudy { problem });
    let model = &request.config.model;
    let (first, count) = (request.position, request.layers);
    if count == 0 || first + count > model.layers {
        return problem(format!(
            "layers {} to {} are asked for, the model has layers 1 to {}",
            first + 1,
            first + count,
            model.layers
        ));
    }
    if request.tokens < 2 || request.tokens > model.seq_len {
        return problem(format!(
            "--tokens is {}, must lie between 2 and `model.seq_len` = {}",
            request.tokens, model.seq_len
        ));
    }
    if let Some((key, known)) = covered::unknown(request.config) {
        return problem(format!("a slice knows `{key} = {known}` only"));
    }
    let needed = layer_study_bytes(model, request.tokens, count);
    match provenance::available_memory() {
        Some(available) if needed > available => problem(format!(
            "{count} layers with {} tokens need about {:.1} GB, {:.1} GB are free",
            request.tokens,
            needed as f64 / 1e9,
            available as f64 / 1e9
        )),
        _ => Ok(()),
    }
}

/// Most bytes that a slice of so many layers holds on the CPU: weights once; per layer what is kept for the
/// backward pass; and the working set of one sub-layer, with a block of a weight or of its gradient.
#[must_use]
pub fn layer_study_bytes(model: &ModelConfig, tokens: usize, layers: usize) -> u64 {
    let (h, f, s) = (model.hidden_size, model.ffn_hidden_size, tokens);
    let up = model.ffn_up_size();
    let weights = 4 * h * h + h * (up + f);
    let kept = s * (10 * h + 5 * f);
    let block = linear::BLOCK.max(linear::COLUMNS) * up.max(3 * h);
    let working = s * (8 * h + 5 * f) + block + 6 * s * s;
    4 * (layers * (weights + kept) + working) as u64
}
