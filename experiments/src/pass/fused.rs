//! The pass on the CPU by hand, without burn's graph: sub-layer after sub-layer of [`crate::layers`], forward and
//! backward. The graph is its specification, and does what it lacks.

#[cfg(test)]
mod tests;

use crate::data::{Losses, Mean};
use crate::layers::attention::host::slots::Slots;
use crate::layers::context::host::Context;
use crate::layers::embedding::host::Embedding;
use crate::layers::gradients::Parted;
use crate::layers::gradients::slices::GradientSlices;
use crate::layers::head::host::{Head, Last, TokenGradients, TokenLosses};
use crate::layers::network::host::sublayers;
use crate::layers::residual::host::{Saved, Sublayer, Trace};
use crate::layers::rows::Rows;
use crate::layers::tap::{Seen, Tap};
use crate::layers::weights::host::Weights;
use crate::numerics::dropout::{Dropout, Masks};
use crate::numerics::precision::{At, Precision};
use crate::parameters::Parameters;
use crate::pass::{Begun, Engine, Note, Run, TrainPass};
use crate::ranks::Ranks;
use experiments_config::Config;
use kernels::Buffer;
use kernels::slices::Mask;
use std::ops::Range;

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
            let mut stage = Stage::new(run, dropout, Span::whole(run.config), None, note);
            stage.forward(None);
            stage.backward(None, scale).1.joined(run.precision)
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

    fn watch(&self, run: Run, tap: Tap) -> Tap {
        let pass = move || {
            let pass = Pass::new(run);
            let mut kept = Kept {
                tap,
                ..Kept::default()
            };
            let x = pass.embed(&mut kept.tap);
            pass.forward_kept(&(0..run.config.model.layers), x, &mut kept);
            kept.tap
        };
        rayon::scope(|_| pass())
    }
}

/// What a pass computes of the network: all of it, or a stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) layers: Range<usize>,
    /// With the embedding.
    pub(crate) is_first: bool,
    /// With the final norm and the head.
    pub(crate) is_last: bool,
}

impl Span {
    pub(crate) fn whole(config: &Config) -> Self {
        Self {
            layers: 0..config.model.layers,
            is_first: true,
            is_last: true,
        }
    }
}

/// A training pass over one micro-batch, or a stage's part of it.
pub(crate) struct Stage<'a> {
    pass: Pass<'a>,
    span: Span,
    kept: Kept,
}

/// What a stage's pass found.
pub(crate) struct Passed {
    pub(crate) losses: Losses,
    pub(crate) gradients: Parted,
    pub(crate) tap: Tap,
}

impl Passed {
    /// Of the whole network.
    fn joined(self, precision: &Precision) -> TrainPass {
        TrainPass {
            losses: self.losses,
            gradients: self.gradients.joined(precision),
            tap: self.tap,
        }
    }
}

/// What the forward half of a pass keeps for the backward half.
#[derive(Default)]
struct Kept {
    /// Input of every sub-layer, and of the head.
    inputs: Vec<Buffer>,
    saved: Vec<Saved>,
    last: Option<Last>,
    losses: Losses,
    tap: Tap,
}

impl<'a> Stage<'a> {
    /// `tensor`: the ranks that share every matrix, where there are several; the run's parameters are then the own shares.
    pub(crate) fn new(
        run: Run<'a>,
        dropout: Dropout,
        span: Span,
        tensor: Option<&'a Ranks>,
        note: Note,
    ) -> Self {
        let mut pass = Pass::new(run);
        pass.context.tensor = tensor;
        pass.context.rows = tensor.and_then(|ranks| ranks.row_shares(pass.rows.count));
        pass.context.masks = dropout.masks(&run.config.model, run.batch.samples.len());
        let kept = Kept {
            inputs: Vec::new(),
            saved: Vec::new(),
            last: None,
            losses: Losses::default(),
            tap: note.tap(),
        };
        Self { pass, span, kept }
    }

    /// From the residual stream `[r, h]` that the stage before left to that for the next; the last stage goes on to the
    /// losses and leaves none. The first is given none.
    pub(crate) fn forward(&mut self, before: Option<Buffer>) -> Option<Buffer> {
        let Self { pass, span, kept } = self;
        let x = before.unwrap_or_else(|| pass.embed(&mut kept.tap));
        let x = pass.forward_kept(&span.layers, x, kept);
        if !span.is_last {
            return Some(x);
        }
        let head = Head::new(&pass.context);
        let last = head.forward(&x);
        pass.see_last(&mut kept.tap, &last);
        kept.losses = pass.losses(&head, &last.tokens);
        kept.inputs.push(x);
        kept.last = Some(last);
        None
    }

    /// From the gradient of what it left, none on the last, to that of what it was given, none on the first; and what the
    /// pass found, of `scale` times the losses. Parameters beyond the stage have no gradient.
    pub(crate) fn backward(self, behind: Option<Buffer>, scale: f64) -> (Option<Buffer>, Passed) {
        let Self { pass, span, kept } = self;
        let Kept {
            mut inputs,
            mut saved,
            last,
            losses,
            tap,
        } = kept;
        let context = &pass.context;
        let mut slices = GradientSlices::new(pass.parameters, &context.config.model);
        if span != Span::whole(context.config) {
            slices.clear();
        }
        let mut d = behind.unwrap_or_default();
        if let Some(mut last) = last {
            let x = inputs.pop().unwrap_or_default();
            d = pass.head_backward(&Head::new(context), &x, &mut last, scale, &mut slices);
        }
        for sublayer in sublayers(context, span.layers).iter().rev() {
            let (Some(x), Some(saved)) = (inputs.pop(), saved.pop()) else {
                break;
            };
            let gradient = sublayer.gradient(&mut slices);
            d = sublayer.backward(&x, &saved, d, &pass.rows, gradient);
        }
        let before = if span.is_first {
            Embedding::new(context).backward(d, &mut slices);
            None
        } else {
            Some(d)
        };
        let found = Passed {
            losses,
            gradients: slices.finish(context.precision),
            tap,
        };
        (before, found)
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
                weights: Weights::new(parameters, model, precision).into(),
                slots: Slots::new(batch, model, half),
                masks: Masks::default(),
                tensor: None,
                before: None,
                rows: None,
            },
        }
    }

    fn evaluate(&self) -> Losses {
        self.context.batch.losses(&self.forward().losses)
    }

    fn forward(&self) -> TokenLosses {
        let mut x = Embedding::new(&self.context).forward();
        for sublayer in &sublayers(&self.context, 0..self.context.config.model.layers) {
            x = sublayer.forward(&x, &self.rows, None).output;
        }
        Head::new(&self.context).forward(&x).tokens
    }

    /// Output of the embedding, shown to the tap.
    fn embed(&self, tap: &mut Tap) -> Buffer {
        let x = Embedding::new(&self.context).forward();
        let mask = self.context.masks.embedding.as_ref();
        self.see_mask(tap, At::Embedding, 0, mask);
        self.see(tap, Seen::Stored(At::Embedding), 0, &x);
        x
    }

    /// Through some layers; the input of every sub-layer and what it saves are kept.
    fn forward_kept(&self, layers: &Range<usize>, mut x: Buffer, kept: &mut Kept) -> Buffer {
        let tap = &mut kept.tap;
        let network = sublayers(&self.context, layers.clone());
        for (index, sublayer) in network.iter().enumerate() {
            let layer = layers.start + index / 2;
            let half = sublayer.half;
            let stored = [half.norm, half.out].map(Seen::Stored);
            let mut watched = stored.into_iter().chain([Seen::Enters(half.first)]);
            let is_traced = watched.any(|seen| tap.watches(seen));
            let mut trace = is_traced.then(Trace::default);
            let forward = sublayer.forward(&x, &self.rows, trace.as_mut());
            if index % 2 == 0 {
                self.see(tap, Seen::Input, layer, &x);
                tap.see(Seen::Scores, layer, &[1], &[forward.max_attention_logit]);
            }
            if let Some(trace) = &trace {
                let read = sublayer.before.map_or(&x, |_| &trace.norm);
                self.see(tap, Seen::Enters(half.first), layer, read);
                let (inner, width) = sublayer.second_inputs(&forward.saved);
                let shape = [inner.len() / width, width];
                tap.see(Seen::Enters(half.out), layer, &shape, inner);
                self.see_trace(tap, layer, sublayer, trace);
            }
            if index % 2 == 1 {
                self.see(tap, Seen::Output, layer, &forward.output);
            }
            kept.saved.push(forward.saved);
            kept.inputs.push(std::mem::replace(&mut x, forward.output));
        }
        x
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
        let rows = self.context.rows.as_ref().filter(|_| tap.watches(seen));
        let whole = rows.map(|rows| rows.gather_signals(x, self.context.config.model.hidden_size));
        let x = whole.as_deref().unwrap_or(x);
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
