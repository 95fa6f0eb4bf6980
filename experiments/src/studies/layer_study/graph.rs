//! The same slice by the trainer's own layers on an autodiff graph: for devices with room for it.
//!
//! It keeps a gradient of every weight until the end, so a layer takes three times the memory of the
//! lean implementation, and shows fewer tensors.

use super::input::Sequence;
use super::stats::{Pass, Recorder};
use crate::backend::Work;
use crate::data::objective::{Kind, Sample, Segment};
use crate::data::{Batch, Targets};
use crate::error::TrainError;
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::residual::graph::Block;
use crate::layers::tap::Tap;
use crate::layers::weights::graph::{Weights, collect};
use crate::numerics::precision::Precision;
use crate::parameters::{Parameter, Parameters};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, TensorData};
use experiments_config::Config;
use kernels::Kernels;
use std::ops::Range;

/// What to run.
pub(super) struct GraphSlice<'a> {
    pub(super) config: &'a Config,
    pub(super) layers: Range<usize>,
    pub(super) sequence: Sequence,
    /// `[s, h]`
    pub(super) input: Vec<f32>,
    /// Gradient of the output, `[s, h]`.
    pub(super) gradient: Vec<f32>,
    pub(super) recorder: Recorder,
}

impl Work for GraphSlice<'_> {
    type Output = Recorder;

    fn run<B>(self, device: &B::Device) -> Result<Recorder, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        let Self {
            config,
            mut recorder,
            ..
        } = self;
        let model = &config.model;
        let parameters = layers_only(config, self.layers.clone());
        for p in parameters.table() {
            let values = &parameters.values()[p.range.clone()];
            recorder.look(&p.name, Pass::Weight, values);
        }
        let precision = Precision::new(&config.precision, model.layers);
        let runs = [&parameters];
        let mut weights = Weights::<B>::new(&runs, &precision, device, true);
        let blocks: Vec<_> = (self.layers.clone())
            .map(|layer| Block::new(model, layer, &mut weights))
            .collect();
        let tokens = self.sequence.slots;
        let batch = sequence(tokens, self.sequence.prefix);
        // The input reads its number of slots from the model.
        let mut short = model.clone();
        short.seq_len = tokens;
        let half = precision.half();
        let input = Input::new(&batch, &Targets::default(), &short, half, device);
        let mut context = Context::plain(config, &precision);
        context.taps = vec![Tap::new(false, true)];
        let matrix = |values: Vec<f32>| {
            let shape = [tokens, model.hidden_size];
            Tensor::<B, 2>::from_data(TensorData::new(values, shape), device)
        };
        let x_sh = matrix(self.input).require_grad();
        let stack = blocks.iter();
        let out_sh = stack.fold(x_sh.clone(), |x, block| {
            block.forward(x, &input, &mut context)
        });
        let mut grads = (out_sh * matrix(self.gradient)).sum().backward();
        drop(blocks);
        let kept = context.taps.into_iter().filter_map(|tap| tap.kept);
        for kept in kept.flatten() {
            let name = kept.name.trim_start_matches("activations.");
            recorder.look(name, Pass::Forward, &kept.values);
        }
        if let Some(dx) = x_sh.grad(&grads) {
            let dx = dx.into_data();
            let name = format!("layers.{}.input", self.layers.start);
            // Gradients are FP32 tensors on every backend.
            let values = dx.as_slice().expect("FP32 tensor");
            recorder.look(&name, Pass::Backward, values);
        }
        let gradients = collect(weights.into_leaves(), &mut grads, &runs, &precision);
        let flat = &gradients[0].flat;
        for p in parameters.table() {
            recorder.look(&p.name, Pass::WeightGradient, &flat[p.range.clone()]);
        }
        Ok(recorder)
    }
}

/// The full model's parameters of some layers: the same draws, laid out one after another.
fn layers_only(config: &Config, layers: Range<usize>) -> Parameters {
    let mut table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    table.retain(|p| p.layer.is_some_and(|layer| layers.contains(&layer)));
    let mut start = 0;
    for p in &mut table {
        p.range = start..start + p.range.len();
        start = p.range.end;
    }
    Parameters::draw(table, config.seed)
}

/// One sequence with a prefix; its tokens are never looked at.
pub(super) fn sequence(tokens: usize, prefix: usize) -> Batch {
    Batch {
        samples: vec![Sample {
            kind: Kind::Gmask,
            tokens: vec![0; tokens],
            positions: (0..tokens as u32).collect(),
            block_positions: vec![0; tokens],
            targets: vec![None; tokens],
            segments: vec![Segment {
                start: 0,
                len: tokens,
                prefix,
            }],
        }],
        languages: vec![None],
    }
}
