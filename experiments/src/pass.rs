//! Forward and backward over one micro-batch: the pure part of a step.
//!
//! A pass may serve several runs at once, each with weights, a batch and a loss scale of its own, so
//! that small models fill a large device. Nothing flows between the runs.

pub(crate) mod fused;
pub(crate) mod pack;
#[cfg(test)]
mod tests;

use crate::data::{Batch, Losses, Mean, Targets};
use crate::layers::context::graph::{Context, scale_runs};
use crate::layers::gradients::Gradients;
use crate::layers::input::Input;
use crate::layers::network::graph::Glm;
use crate::layers::tap::{Seen, Tap};
use crate::layers::weights::graph::{Weights, collect};
use crate::numerics::dropout::Dropout;
use crate::numerics::precision::{At, Precision};
use crate::parameters::Parameters;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData, activation};
use experiments_config::Config;
use kernels::Kernels;
use pack::Seat;
use std::borrow::Cow;

/// What stays the same over all passes of a run.
pub(crate) struct Setting<'a, B: Backend> {
    pub(crate) config: &'a Config,
    pub(crate) precision: &'a Precision,
    pub(crate) device: &'a B::Device,
    /// Where passes are done together with other runs'.
    pub(crate) seat: Option<&'a Seat>,
}

/// What a run brings to a pass.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) config: &'a Config,
    pub(crate) parameters: &'a Parameters,
    pub(crate) batch: &'a Batch,
}

/// What computes a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Hand-written sub-layers, [`crate::pass::fused`].
    Fused,
    /// burn's tensor operations and their autodiff graph, [`crate::layers::network::graph`].
    Graph,
}

impl Engine {
    /// The engine of all passes of a run. Fused passes are never packed: on the host runs gain nothing
    /// from one another.
    pub(crate) fn of<B: Kernels>(config: &Config) -> Self {
        if B::ON_HOST && config.fuses() {
            Self::Fused
        } else {
            Self::Graph
        }
    }

    /// Name for the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Graph => "graph",
        }
    }
}

/// Result of one training pass.
pub(crate) struct TrainPass {
    /// Set by what computed it.
    pub(crate) engine: Engine,
    pub(crate) losses: Losses,
    pub(crate) gradients: Gradients,
    pub(crate) tap: Tap,
}

/// What a training pass is asked to note.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// Per-layer signals.
    pub(crate) probe: bool,
    /// Everything a parity file holds.
    pub(crate) capture: bool,
}

impl Note {
    fn tap(self) -> Tap {
        Tap::new(self.probe, self.capture)
    }
}

/// Forward and backward. The gradients are those of `scale` times the mean loss over sequences.
pub(crate) fn train<B: AutodiffBackend + Kernels>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
    scale: f64,
    dropout: Dropout,
    note: Note,
) -> TrainPass {
    match Engine::of::<B>(setting.config) {
        Engine::Fused => return fused::train(setting, parameters, batch, scale, dropout, note),
        Engine::Graph => {}
    }
    let run = Run {
        config: setting.config,
        parameters,
        batch,
    };
    if let Some(seat) = setting.seat {
        return seat.train(run, scale, dropout, note);
    }
    let mut passes = train_packed(setting, &[run], &[scale], vec![dropout], note);
    passes.pop().expect("one pass for one run")
}

/// [`train`] for several runs at once, with a scale and masks for each. `setting.config` is that of any
/// of them: all have the same [`Config::pack_key`] and as many sequences. Only a pass of one run can be
/// captured.
pub(crate) fn train_packed<B: AutodiffBackend + Kernels>(
    setting: &Setting<B>,
    runs: &[Run],
    scales: &[f64],
    dropout: Vec<Dropout>,
    note: Note,
) -> Vec<TrainPass> {
    let parameters: Vec<_> = runs.iter().map(|run| run.parameters).collect();
    let mut weights = Weights::new(&parameters, setting.precision, setting.device, true);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context {
        dropout,
        taps: vec![note.tap(); runs.len()],
        ..Context::new(configs(runs), setting.precision)
    };
    let targets = stacked_targets(runs, setting.config.model.seq_len);
    let entropy = forward(setting, &model, runs, &targets, &mut context);
    let weights_t = TensorData::new(targets.weights, [targets.slots.len()]);
    let weights_t = Tensor::<B, 1>::from_data(weights_t, setting.device);
    let sum = |x: Tensor<B, 1>| -> Tensor<B, 2> {
        let t = x.dims()[0] / runs.len();
        x.reshape([runs.len(), t]).sum_dim(1)
    };
    let mut loss = sum(entropy.losses_t.clone() * weights_t.clone());
    let coefficient = setting.config.objective.z_loss;
    let z_loss = (coefficient > 0.0).then(|| {
        let z_t = entropy.log_z_t.clone();
        sum(z_t.clone() * z_t * weights_t) * coefficient
    });
    if let Some(z_loss) = &z_loss {
        loss = loss + z_loss.clone();
    }
    let mut grads = scale_runs(loss, scales).sum().backward();
    drop(model);
    let leaves = weights.into_leaves();
    let gradients = collect(leaves, &mut grads, &parameters, setting.precision);
    let mut losses = losses(runs, entropy);
    if let Some(z_loss) = z_loss {
        for (losses, z) in losses.iter_mut().zip(host(z_loss.reshape([runs.len()]))) {
            losses.z_loss = Mean::of(z.into());
        }
    }
    let both = losses.into_iter().zip(gradients);
    let all = both.zip(context.taps);
    all.map(|((losses, gradients), tap)| TrainPass {
        engine: Engine::Graph,
        losses,
        gradients,
        tap,
    })
    .collect()
}

/// Forward only, without dropout.
pub(crate) fn evaluate<B: Kernels>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
) -> Losses {
    match Engine::of::<B>(setting.config) {
        Engine::Fused => return fused::evaluate(setting, parameters, batch),
        Engine::Graph => {}
    }
    let run = Run {
        config: setting.config,
        parameters,
        batch,
    };
    if let Some(seat) = setting.seat {
        return seat.evaluate(run);
    }
    let mut losses = evaluate_packed(setting, &[run]);
    losses.pop().expect("one result for one run")
}

/// Logits of the slots with a target as they are stored, `[t, v]`, forward only and without dropout. A
/// packed run computes them by itself: they are asked for once in a run, or a few times.
pub(crate) fn logits<B: Kernels>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
) -> Vec<f32> {
    match Engine::of::<B>(setting.config) {
        Engine::Fused => return fused::logits(setting, parameters, batch),
        Engine::Graph => {}
    }
    let runs = [parameters];
    let mut weights = Weights::new(&runs, setting.precision, setting.device, false);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context::plain(setting.config, setting.precision);
    let half = setting.precision.half();
    let targets = batch.targets();
    let input = Input::new(batch, &targets, &setting.config.model, half, setting.device);
    let logits = model.logits(&input, &mut context);
    // Logits are FP32 tensors on every backend.
    logits.into_data().to_vec().expect("FP32 tensor")
}

/// [`evaluate`] for several runs at once, on the terms of [`train_packed`].
pub(crate) fn evaluate_packed<B: Kernels>(setting: &Setting<B>, runs: &[Run]) -> Vec<Losses> {
    let parameters: Vec<_> = runs.iter().map(|run| run.parameters).collect();
    let mut weights = Weights::new(&parameters, setting.precision, setting.device, false);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context::new(configs(runs), setting.precision);
    let targets = stacked_targets(runs, setting.config.model.seq_len);
    losses(runs, forward(setting, &model, runs, &targets, &mut context))
}

fn configs<'a>(runs: &[Run<'a>]) -> Vec<&'a Config> {
    runs.iter().map(|run| run.config).collect()
}

/// All runs' targets, as many for each: where a run has fewer than another, its last one is repeated
/// with weight 0. A repeated row holds what a real one holds, so it is finite where that one is, and
/// its gradients are zeros.
fn stacked_targets(runs: &[Run], seq_len: usize) -> Targets {
    let mut own: Vec<_> = runs.iter().map(|run| run.batch.targets()).collect();
    let longest = own.iter().map(|targets| targets.slots.len()).max();
    let mut stacked = Targets::default();
    let mut first_slot = 0;
    for (run, targets) in runs.iter().zip(&mut own) {
        for values in [&mut targets.slots, &mut targets.tokens] {
            let last = values.last().copied().unwrap_or(0);
            values.resize(longest.unwrap_or(0), last);
        }
        targets.weights.resize(targets.slots.len(), 0.0);
        let slots = targets.slots.iter().map(|slot| first_slot + slot);
        stacked.slots.extend(slots);
        stacked.tokens.append(&mut targets.tokens);
        stacked.weights.append(&mut targets.weights);
        first_slot += (run.batch.samples.len() * seq_len) as i64;
    }
    stacked
}

/// Of every target, computed in FP32 from the stored logits.
struct CrossEntropy<B: Backend> {
    /// In nats, `[r·t]`.
    losses_t: Tensor<B, 1>,
    /// Logarithm of the softmax's denominator, `[r·t]`.
    log_z_t: Tensor<B, 1>,
}

fn forward<B: Kernels>(
    setting: &Setting<B>,
    model: &Glm<B>,
    runs: &[Run],
    targets: &Targets,
    context: &mut Context,
) -> CrossEntropy<B> {
    let half = setting.precision.half();
    let batch = match runs {
        [run] => Cow::Borrowed(run.batch),
        _ => Cow::Owned(Batch::stack(runs.iter().map(|run| run.batch))),
    };
    let input = Input::new(&batch, targets, &setting.config.model, half, setting.device);
    let logits_tv = model.logits(&input, context);
    let t = targets.tokens.len();
    let tokens = TensorData::new(targets.tokens.clone(), [t]);
    let tokens_t = Tensor::<B, 1, Int>::from_data(tokens, setting.device);
    let [losses_t, log_z_t] = if B::COMBINES {
        kernels::cross_entropy(logits_tv.clone(), tokens_t)
    } else {
        let tokens = tokens_t.reshape([t, 1]);
        let log_p_tv = activation::log_softmax(logits_tv.clone(), 1);
        let losses_t: Tensor<B, 1> = log_p_tv.gather(1, tokens.clone()).neg().reshape([t]);
        let target_logits_t: Tensor<B, 1> = logits_tv.clone().gather(1, tokens).reshape([t]);
        [losses_t.clone(), target_logits_t + losses_t]
    };
    context.see(Seen::Stored(At::Logits), 0, &logits_tv);
    context.see(Seen::Losses, 0, &losses_t);
    CrossEntropy { losses_t, log_z_t }
}

/// Every run's losses; what its padding lost is left out.
fn losses<B: Backend>(runs: &[Run], entropy: CrossEntropy<B>) -> Vec<Losses> {
    let losses = host(entropy.losses_t);
    let own = losses.chunks_exact(losses.len() / runs.len());
    let both = runs.iter().zip(own);
    both.map(|(run, own)| run.batch.losses(own)).collect()
}

fn host<B: Backend>(x: Tensor<B, 1>) -> Vec<f32> {
    // Losses are FP32 tensors on every backend.
    x.into_data().to_vec().expect("FP32 tensor")
}
