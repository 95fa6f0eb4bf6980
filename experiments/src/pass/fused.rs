//! The pass on the CPU by hand, without burn's graph: sub-layer after sub-layer of [`crate::layers`], forward and
//! backward. The graph is its specification, and does what it lacks.

#[cfg(test)]
mod tests;

use crate::data::{Losses, Mean};
use crate::layers::attention::host::slots::Slots;
use crate::layers::context::host::Context;
use crate::layers::embedding::host::Embedding;
use crate::layers::gradients::slices::GradientSlices;
use crate::layers::head::host::{Head, Last, TokenGradients, TokenLosses};
use crate::layers::network::host::sublayers;
use crate::layers::residual::host::{Saved, Sublayer, Trace};
use crate::layers::rows::Rows;
use crate::layers::tap::{Seen, Tap};
use crate::layers::weights::host::Weights;
use crate::numerics::dropout::{Dropout, Masks};
use crate::numerics::precision::At;
use crate::parameters::Parameters;
use crate::pass::{Begun, Engine, Note, Run, TrainPass};
use kernels::Buffer;
use kernels::slices::Mask;

/// The hand-written pass on the threads of this process.
pub(crate) struct Host;

impl Engine for Host {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn kernels(&self) -> &'static str {
        concat!("kernels::fused ", env!("CARGO_PKG_VERSION"))
    }

    fn counts_range(&self) -> bool {
        true
    }

    fn begin(&self, run: Run, scale: f64, dropout: Dropout, note: Note) -> Begun {
        let pass = move || {
            let mut pass = Pass::new(run);
            pass.context.masks = dropout.masks(&run.config.model, run.batch.samples.len());
            pass.train(scale, note)
        };
        // On one of rayon's threads already, every piece of work is handed over without a wake-up.
        rayon::scope(|_| pass()).into()
    }

    fn evaluate(&self, run: Run) -> Losses {
        rayon::scope(|_| Pass::new(run).evaluate())
    }

    fn logits(&self, run: Run) -> Vec<f32> {
        rayon::scope(|_| Pass::new(run).forward().logits())
    }
}

/// One pass over one micro-batch.
struct Pass<'a> {
    parameters: &'a Parameters,
    rows: Rows,
    context: Context<'a>,
}

impl<'a> Pass<'a> {
    fn new(run: Run<'a>) -> Self {
        let Run {
            config,
            precision,
            parameters,
            batch,
        } = run;
        if cfg!(test) {
            Buffer::poison();
        }
        let (model, half) = (&config.model, precision.half());
        Self {
            parameters,
            rows: Rows::new(batch.samples.len() * model.seq_len, model.seq_len),
            context: Context {
                config,
                precision,
                batch,
                weights: Weights::new(parameters, model, precision),
                slots: Slots::new(batch, model, half),
                masks: Masks::default(),
            },
        }
    }

    fn evaluate(&self) -> Losses {
        self.context.batch.losses(&self.forward().losses)
    }

    fn forward(&self) -> TokenLosses {
        let mut x = Embedding::new(&self.context).forward();
        for sublayer in &sublayers(&self.context) {
            x = sublayer.forward(&x, &self.rows, None).output;
        }
        Head::new(&self.context).forward(&x).tokens
    }

    fn train(&self, scale: f64, note: Note) -> TrainPass {
        let network = sublayers(&self.context);
        let mut tap = note.tap();
        let embedding = Embedding::new(&self.context);
        let (mut inputs, mut saved) = self.forward_kept(&embedding, &network, &mut tap);

        let head = Head::new(&self.context);
        let x = inputs.pop().unwrap_or_default();
        let mut last = head.forward(&x);
        self.see_last(&mut tap, &last);
        let losses = self.losses(&head, &last.tokens);

        let mut slices = GradientSlices::new(self.parameters, &self.context.config.model);
        let mut d = self.head_backward(&head, &x, &mut last, scale, &mut slices);
        drop((x, last));
        for sublayer in network.iter().rev() {
            let (Some(x), Some(saved)) = (inputs.pop(), saved.pop()) else {
                break;
            };
            let gradient = sublayer.gradient(&mut slices);
            d = sublayer.backward(&x, &saved, d, &self.rows, gradient);
        }
        embedding.backward(d, &mut slices);
        TrainPass {
            losses,
            gradients: slices.finish(self.context.precision),
            tap,
        }
    }

    /// Input of every sub-layer, then of the head; and what each sub-layer keeps.
    fn forward_kept(
        &self,
        embedding: &Embedding,
        network: &[Sublayer],
        tap: &mut Tap,
    ) -> (Vec<Buffer>, Vec<Saved>) {
        let mut inputs = vec![embedding.forward()];
        let mut saved = Vec::with_capacity(network.len());
        let mask = self.context.masks.embedding.as_ref();
        self.see_mask(tap, At::Embedding, 0, mask);
        self.see(tap, Seen::Stored(At::Embedding), 0, &inputs[0]);
        for (index, sublayer) in network.iter().enumerate() {
            let layer = index / 2;
            let half = sublayer.half;
            let watched = [half.norm, half.out].map(Seen::Stored);
            let is_traced = watched.iter().any(|seen| tap.watches(*seen));
            let mut trace = is_traced.then(Trace::default);
            let x = &inputs[index];
            let forward = sublayer.forward(x, &self.rows, trace.as_mut());
            if index % 2 == 0 {
                self.see(tap, Seen::Input, layer, x);
                tap.see(Seen::Scores, layer, &[1], &[forward.max_attention_logit]);
            }
            if let Some(trace) = &trace {
                self.see_trace(tap, layer, sublayer, trace);
            }
            if index % 2 == 1 {
                self.see(tap, Seen::Output, layer, &forward.output);
            }
            inputs.push(forward.output);
            saved.push(forward.saved);
        }
        (inputs, saved)
    }

    fn losses(&self, head: &Head, tokens: &TokenLosses) -> Losses {
        let coefficient = self.context.config.objective.z_loss;
        let z_loss = (coefficient > 0.0).then(|| head.z_loss(tokens, coefficient));
        Losses {
            z_loss: z_loss.map_or_else(Mean::default, Mean::of),
            ..self.context.batch.losses(&tokens.losses)
        }
    }

    /// The gradient of the residual stream, from those of `scale` times the losses.
    fn head_backward(
        &self,
        head: &Head,
        x: &[f32],
        last: &mut Last,
        scale: f64,
        slices: &mut GradientSlices,
    ) -> Buffer {
        let coefficient = self.context.config.objective.z_loss;
        let own: Vec<f32> = head.weights().map(|weight| weight * scale as f32).collect();
        let log_z = (coefficient > 0.0).then(|| Head::z_gradients(&last.tokens, coefficient, &own));
        let gradients = TokenGradients {
            losses: &own,
            log_z: log_z.as_deref(),
        };
        head.backward(x, last, &gradients, slices)
    }

    /// Rows of the batch and width, of a tensor of activations.
    fn shape(&self, x: &[f32]) -> [usize; 2] {
        let h = self.context.config.model.hidden_size;
        [x.len() / h, h]
    }

    fn see(&self, tap: &mut Tap, seen: Seen, layer: usize, x: &[f32]) {
        tap.see(seen, layer, &self.shape(x), x);
    }

    /// What a sub-layer leaves, and the masks that it was given.
    fn see_trace(&self, tap: &mut Tap, layer: usize, sublayer: &Sublayer, trace: &Trace) {
        let half = sublayer.half;
        if sublayer.before.is_some() {
            self.see(tap, Seen::Stored(half.norm), layer, &trace.norm);
        }
        if half.out == At::AttentionOut {
            let mask = self.context.masks.layer(layer).probabilities.as_ref();
            self.see_mask(tap, At::Probabilities, layer, mask);
        }
        self.see_mask(tap, half.out, layer, sublayer.dropout);
        self.see(tap, Seen::Stored(half.out), layer, &trace.branch);
    }

    /// What the head leaves.
    fn see_last(&self, tap: &mut Tap, last: &Last) {
        self.see(tap, Seen::Stored(At::FinalNorm), 0, &last.normed);
        let (tokens, t) = (&last.tokens, last.tokens.losses.len());
        let logits = Seen::Stored(At::Logits);
        if tap.watches(logits) {
            let values = tokens.logits();
            tap.see(logits, 0, &[t, values.len() / t], &values);
        }
        tap.see(Seen::Losses, 0, &[t], &tokens.losses);
    }

    fn see_mask(&self, tap: &mut Tap, at: At, layer: usize, mask: Option<&Mask>) {
        let Some(mask) = mask.filter(|_| tap.watches(Seen::Mask(at))) else {
            return;
        };
        let (factors, model) = (mask.factors(), &self.context.config.model);
        let (b, s) = (self.context.batch.samples.len(), model.seq_len);
        if at == At::Probabilities {
            tap.see(Seen::Mask(at), layer, &[b, model.num_heads, s, s], &factors);
        } else {
            self.see(tap, Seen::Mask(at), layer, &factors);
        }
    }
}
