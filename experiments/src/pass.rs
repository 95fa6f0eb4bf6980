//! Forward and backward over one micro-batch: the pure part of a step.

use crate::capture::Capture;
use crate::data::{Batch, Losses, Mean, Targets};
use crate::dropout::Dropout;
use crate::model::{Context, Glm, Gradients, Input, Weights, collect};
use crate::parameters::Parameters;
use crate::precision::Precision;
use crate::probe::Probe;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData, activation};
use experiments_config::Config;
use kernels::Kernels;

/// What stays the same over all passes of a run.
pub(crate) struct Setting<'a, B: Backend> {
    pub(crate) config: &'a Config,
    pub(crate) precision: &'a Precision,
    pub(crate) device: &'a B::Device,
}

/// Result of one training pass.
pub(crate) struct TrainPass {
    pub(crate) losses: Losses,
    pub(crate) gradients: Gradients,
    pub(crate) probe: Option<Probe>,
    pub(crate) capture: Option<Capture>,
}

/// What a training pass is asked to note.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// Per-layer signals.
    pub(crate) probe: bool,
    /// Everything a parity file holds.
    pub(crate) capture: bool,
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
    let mut weights = Weights::new(parameters, setting.precision, setting.device, true);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context {
        config: setting.config,
        precision: setting.precision,
        dropout: Some(dropout),
        probe: note.probe.then(Probe::default),
        capture: note.capture.then(Capture::default),
    };
    let targets = batch.targets();
    let entropy = forward(setting, &model, batch, &targets, &mut context);
    let weights_t = TensorData::new(targets.weights, [targets.slots.len()]);
    let weights_t = Tensor::<B, 1>::from_data(weights_t, setting.device);
    let mut loss = (entropy.losses_t.clone() * weights_t.clone()).sum();
    let coefficient = setting.config.objective.z_loss;
    let z_loss = (coefficient > 0.0).then(|| {
        let z_t = entropy.log_z_t.clone();
        (z_t.clone() * z_t * weights_t).sum() * coefficient
    });
    if let Some(z_loss) = &z_loss {
        loss = loss + z_loss.clone();
    }
    let mut grads = (loss * scale).backward();
    drop(model);
    let half = setting.precision.half();
    let gradients = collect(weights.into_leaves(), &mut grads, parameters, half);
    TrainPass {
        losses: Losses {
            z_loss: z_loss.map_or_else(Mean::default, |z| Mean::of(host(z)[0].into())),
            ..batch.losses(&host(entropy.losses_t))
        },
        gradients,
        probe: context.probe,
        capture: context.capture,
    }
}

/// Forward only, without dropout.
pub(crate) fn evaluate<B: Kernels>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
) -> Losses {
    let mut weights = Weights::new(parameters, setting.precision, setting.device, false);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context::plain(setting.config, setting.precision);
    let entropy = forward(setting, &model, batch, &batch.targets(), &mut context);
    batch.losses(&host(entropy.losses_t))
}

/// Of every target, computed in FP32 from the stored logits.
struct CrossEntropy<B: Backend> {
    /// In nats, `[t]`.
    losses_t: Tensor<B, 1>,
    /// Logarithm of the softmax's denominator, `[t]`.
    log_z_t: Tensor<B, 1>,
}

fn forward<B: Kernels>(
    setting: &Setting<B>,
    model: &Glm<B>,
    batch: &Batch,
    targets: &Targets,
    context: &mut Context,
) -> CrossEntropy<B> {
    let half = setting.precision.half();
    let input = Input::new(batch, targets, &setting.config.model, half, setting.device);
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
    if let Some(capture) = &mut context.capture {
        capture.tensor("logits".to_owned(), &logits_tv);
        capture.tensor("token_losses".to_owned(), &losses_t);
    }
    CrossEntropy { losses_t, log_z_t }
}

fn host<B: Backend>(x: Tensor<B, 1>) -> Vec<f32> {
    // Losses are FP32 tensors on every backend.
    x.into_data().to_vec().expect("FP32 tensor")
}
