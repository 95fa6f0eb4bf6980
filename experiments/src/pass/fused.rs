//! The pass on the CPU by hand, without burn's graph: [`kernels::fused`] sub-layer after sub-layer,
//! forward and backward. The graph (`crate::pass::model`) is its specification, and does what it lacks.

mod embedding;
mod gradients;
mod head;
mod layout;
mod network;
#[cfg(test)]
mod tests;
mod weights;

use crate::data::{Batch, Losses, Mean};
use crate::numerics::dropout::{Dropout, Masks};
use crate::numerics::precision::{At, Precision};
use crate::parameters::Parameters;
use crate::pass::capture::Capture;
use crate::pass::probe::Probe;
use crate::pass::{Engine, Note, Setting, TrainPass};
use burn::tensor::backend::Backend;
use embedding::Embedding;
use experiments_config::Config;
use gradients::GradientSlices;
use head::Head;
use kernels::Buffer;
use kernels::fused::{Branch, Forward, Mask, Rows, Sublayer, TokenGradients, TokenLosses, Trace};
use network::Network;
use weights::Weights;

/// Forward and backward; see [`crate::pass::train`].
pub(crate) fn train<B: Backend>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
    scale: f64,
    dropout: Dropout,
    note: Note,
) -> TrainPass {
    let (config, precision) = (setting.config, setting.precision);
    let pass = move || {
        let mut pass = Pass::new(config, precision, parameters, batch);
        pass.masks = dropout.masks(&config.model, batch.samples.len());
        pass.train(scale, note)
    };
    // On one of rayon's threads already, every piece of work is handed over without a wake-up.
    rayon::scope(|_| pass())
}

/// Forward only; see [`crate::pass::evaluate`].
pub(crate) fn evaluate<B: Backend>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
) -> Losses {
    let (config, precision) = (setting.config, setting.precision);
    rayon::scope(|_| Pass::new(config, precision, parameters, batch).evaluate())
}

/// Stored logits of the slots with a target, `[t, v]`; see [`crate::pass::logits`].
pub(crate) fn logits<B: Backend>(
    setting: &Setting<B>,
    parameters: &Parameters,
    batch: &Batch,
) -> Vec<f32> {
    let (config, precision) = (setting.config, setting.precision);
    rayon::scope(|_| {
        Pass::new(config, precision, parameters, batch)
            .forward()
            .logits()
    })
}

/// One pass over one micro-batch.
struct Pass<'a> {
    config: &'a Config,
    precision: &'a Precision,
    parameters: &'a Parameters,
    batch: &'a Batch,
    weights: Weights<'a>,
    rows: Rows,
    /// None in evaluation.
    masks: Masks,
}

impl<'a> Pass<'a> {
    fn new(
        config: &'a Config,
        precision: &'a Precision,
        parameters: &'a Parameters,
        batch: &'a Batch,
    ) -> Self {
        if cfg!(test) {
            Buffer::poison();
        }
        Self {
            config,
            precision,
            parameters,
            batch,
            weights: Weights::new(parameters, &config.model, precision),
            rows: layout::rows(batch, &config.model, precision.half()),
            masks: Masks::default(),
        }
    }

    fn network(&self) -> Network<'_> {
        Network::new(self.config, self.precision, &self.weights, &self.masks)
    }

    fn evaluate(&self) -> Losses {
        self.batch.losses(&self.forward().losses)
    }

    fn forward(&self) -> TokenLosses {
        let network = self.network();
        let mut x = Embedding::new(self).forward();
        for sublayer in &network.sublayers {
            x = sublayer.forward(&x, &self.rows, None).output;
        }
        Head::new(self).forward(&x).tokens
    }

    fn train(&self, scale: f64, note: Note) -> TrainPass {
        let network = self.network();
        let mut probe = note.probe.then(Probe::default);
        let mut capture = note.capture.then(Capture::default);
        let embedding = Embedding::new(self);
        // Input of every sub-layer, then of the head; and what each sub-layer keeps.
        let mut inputs = vec![embedding.forward()];
        let mut saved = Vec::with_capacity(network.sublayers.len());
        self.keep_mask(
            &mut capture,
            At::Embedding,
            0,
            self.masks.embedding.as_ref(),
        );
        self.keep(&mut capture, At::Embedding, 0, &inputs[0]);
        for (index, sublayer) in network.sublayers.iter().enumerate() {
            let layer = index / 2;
            let mut trace = note.capture.then(Trace::default);
            let x = &inputs[index];
            let forward = sublayer.forward(x, &self.rows, trace.as_mut());
            if let Some(probe) = &mut probe {
                probe_sublayer(probe, layer, &sublayer.branch, x, &forward);
            }
            if let Some(trace) = &trace {
                self.keep_trace(&mut capture, layer, sublayer, trace);
            }
            if let (Branch::FeedForward(_), Some(capture)) = (&sublayer.branch, &mut capture) {
                let name = format!("activations.layers.{layer}.output");
                capture.values(name, self.shape(&forward.output), &forward.output);
            }
            inputs.push(forward.output);
            saved.push(forward.saved);
        }

        let head = Head::new(self);
        let x = inputs.pop().unwrap_or_default();
        let mut last = head.forward(&x);
        self.keep(&mut capture, At::FinalNorm, 0, &last.normed);
        if let Some(capture) = &mut capture {
            let tokens = &last.tokens;
            let t = tokens.losses.len();
            let logits = tokens.logits();
            capture.values("logits".to_owned(), vec![t, logits.len() / t], &logits);
            capture.values("token_losses".to_owned(), vec![t], &tokens.losses);
        }
        let coefficient = self.config.objective.z_loss;
        let z_loss = (coefficient > 0.0).then(|| head.z_loss(&last.tokens, coefficient));
        let losses = Losses {
            z_loss: z_loss.map_or_else(Mean::default, Mean::of),
            ..self.batch.losses(&last.tokens.losses)
        };

        let mut slices = GradientSlices::new(self.parameters, &self.config.model);
        let own: Vec<f32> = head.weights().map(|weight| weight * scale as f32).collect();
        let log_z = (coefficient > 0.0).then(|| Head::z_gradients(&last.tokens, coefficient, &own));
        let gradients = TokenGradients {
            losses: &own,
            log_z: log_z.as_deref(),
        };
        let mut d = head.backward(&x, &mut last, &gradients, &mut slices);
        drop((x, last));
        for (index, sublayer) in network.sublayers.iter().enumerate().rev() {
            let (Some(x), Some(saved)) = (inputs.pop(), saved.pop()) else {
                break;
            };
            let gradient = network.gradient(index, &mut slices);
            d = sublayer.backward(&x, &saved, d, &self.rows, gradient);
        }
        embedding.backward(d, &mut slices);
        TrainPass {
            engine: Engine::Fused,
            losses,
            gradients: slices.finish(self.precision),
            probe,
            capture,
        }
    }

    /// Rows of the batch and width, of a tensor of activations.
    fn shape(&self, x: &[f32]) -> Vec<usize> {
        let h = self.config.model.hidden_size;
        vec![x.len() / h, h]
    }

    /// What a sub-layer leaves, and the masks that it was given.
    fn keep_trace(
        &self,
        capture: &mut Option<Capture>,
        layer: usize,
        sublayer: &Sublayer,
        trace: &Trace,
    ) {
        let (norm, out, dropout) = match &sublayer.branch {
            Branch::Attention(attention) => {
                (At::AttentionNorm, At::AttentionOut, attention.dropout)
            }
            Branch::FeedForward(_) => (At::FfnNorm, At::Down, None),
        };
        if sublayer.residual.before().is_some() {
            self.keep(capture, norm, layer, &trace.norm);
        }
        self.keep_mask(capture, At::Probabilities, layer, dropout);
        self.keep_mask(capture, out, layer, sublayer.dropout);
        self.keep(capture, out, layer, &trace.branch);
    }

    fn keep_mask(&self, capture: &mut Option<Capture>, at: At, layer: usize, mask: Option<&Mask>) {
        let (Some(capture), Some(mask)) = (capture, mask) else {
            return;
        };
        let (factors, model) = (mask.factors(), &self.config.model);
        let (b, s) = (self.batch.samples.len(), model.seq_len);
        let shape = if at == At::Probabilities {
            vec![b, model.num_heads, s, s]
        } else {
            self.shape(&factors)
        };
        capture.values(format!("dropout.{}", at.label(layer)), shape, &factors);
    }

    fn keep(&self, capture: &mut Option<Capture>, at: At, layer: usize, x: &[f32]) {
        if let Some(capture) = capture {
            let name = format!("activations.{}", at.label(layer));
            capture.values(name, self.shape(x), x);
        }
    }
}

/// Notes what the first sub-layer of a layer reads and the second writes.
fn probe_sublayer(probe: &mut Probe, layer: usize, branch: &Branch, x: &[f32], forward: &Forward) {
    match branch {
        Branch::Attention(_) => {
            probe.input(layer, x);
            probe.max_logit(layer, forward.max_attention_logit.into());
        }
        Branch::FeedForward(_) => probe.output(layer, &forward.output),
    }
}

/// Rounds a stored tensor in place, where the pass has a format.
fn store(precision: &Precision, at: At, pass: kernels::Pass, values: &mut [f32]) {
    if let Some(rounding) = precision.rounding(at, 0) {
        rounding.apply(values, pass);
    }
}
