//! Forward and backward over one micro-batch: the pure part of a step.

use crate::data::{Batch, Losses, Targets};
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
}

/// Forward and backward. The gradients are those of `scale` times the mean loss over sequences.
pub(crate) fn train<B: AutodiffBackend + Kernels>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
    scale: f64,
    dropout: Dropout,
    probe: bool,
) -> TrainPass {
    let mut weights = Weights::new(parameters, setting.precision, setting.device, true);
    let model = Glm::<B>::new(setting.config, &mut weights);
    let mut context = Context {
        config: setting.config,
        precision: setting.precision,
        dropout: Some(dropout),
        probe: probe.then(Probe::default),
    };
    let targets = batch.targets();
    let token_losses = forward(setting, &model, batch, &targets, &mut context);
    let weights_t = TensorData::new(targets.weights, [targets.slots.len()]);
    let weights_t = Tensor::<B, 1>::from_data(weights_t, setting.device);
    let loss = (token_losses.clone() * weights_t).sum() * scale;
    let mut grads = loss.backward();
    drop(model);
    let half = setting.precision.half();
    let gradients = collect(weights.into_leaves(), &mut grads, parameters, half);
    TrainPass {
        losses: batch.losses(&host(token_losses)),
        gradients,
        probe: context.probe,
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
    let mut context = Context {
        config: setting.config,
        precision: setting.precision,
        dropout: None,
        probe: None,
    };
    let token_losses = forward(setting, &model, batch, &batch.targets(), &mut context);
    batch.losses(&host(token_losses))
}

/// Cross-entropy of every target in nats, `[t]`, computed in FP32 from the stored logits.
fn forward<B: Kernels>(
    setting: &Setting<B>,
    model: &Glm<B>,
    batch: &Batch,
    targets: &Targets,
    context: &mut Context,
) -> Tensor<B, 1> {
    let half = setting.precision.half();
    let input = Input::new(batch, targets, &setting.config.model, half, setting.device);
    let logits_tv = model.logits(&input, context);
    let t = targets.tokens.len();
    let tokens = TensorData::new(targets.tokens.clone(), [t, 1]);
    let tokens = Tensor::<B, 2, Int>::from_data(tokens, setting.device);
    let log_p_tv = activation::log_softmax(logits_tv, 1);
    log_p_tv.gather(1, tokens).neg().reshape([t])
}

fn host<B: Backend>(x: Tensor<B, 1>) -> Vec<f32> {
    // Losses are FP32 tensors on every backend.
    x.into_data().to_vec().expect("FP32 tensor")
}
