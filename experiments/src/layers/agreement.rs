//! Both implementations of a layer side by side, and small models for tests.

use super::attention::host::slots::Slots;
use super::context::{graph, host};
use super::gradients::slices::GradientSlices;
use super::input::Input;
use super::network::host::sublayers_of;
use super::residual::graph::Block;
use super::rows::Rows;
use super::weights::graph::{Weights, collect};
use crate::data::objective::{Kind, Sample, Segment};
use crate::data::{Batch, Targets};
use crate::numerics::dropout::Masks;
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use experiments_config::{Config, Format, KernelChoice, Norm};
use kernels::Buffer;

pub(crate) const VOCAB: usize = 40;

/// The second layer, whose number is not 1.
const LAYER: usize = 1;

/// A model small enough for difference quotients, computed by the graph.
pub(crate) fn config(norm: Norm, tie: bool) -> Config {
    let mut config = Config::default();
    // The graph; `crate::pass::fused` is held to it by tests of its own.
    config.runtime.kernels = KernelChoice::Plain;
    config.model.layers = 2;
    config.model.hidden_size = 16;
    config.model.ffn_hidden_size = 24;
    config.model.seq_len = 10;
    config.model.norm = norm;
    config.model.tie_embeddings = tie;
    config.tokenizer.vocab_size = VOCAB;
    config
}

/// Two sequences with different prefixes, a repeated position and padding.
pub(crate) fn batch() -> Batch {
    let sample = |kind, prefix: usize, shift: u32| Sample {
        kind,
        tokens: (0..10).map(|i| (7 * i + shift) % 39).collect(),
        positions: (0..10).map(|i| if i > 7 { 3 } else { i }).collect(),
        targets: (0..10)
            .map(|i| (i >= prefix && i < 9).then_some((3 * i as u32 + shift) % 39))
            .collect(),
        // Spans count on inside themselves; only 2-D positions read it.
        block_positions: (0..10_u32).map(|i| i.saturating_sub(7)).collect(),
        segments: vec![Segment {
            start: 0,
            len: 10,
            prefix,
        }],
    };
    Batch {
        samples: vec![sample(Kind::Gmask, 4, 1), sample(Kind::Mask, 6, 2)],
        languages: vec![Some(0), Some(1)],
    }
}

pub(crate) fn parameters(config: &Config) -> Parameters {
    let mut parameters = Parameters::initialise(&config.model, VOCAB, 5);
    // Biases and norms leave their special starting values, so that their gradients are tested.
    for (i, value) in parameters.values_mut().iter_mut().enumerate() {
        *value += 0.05 * ((i as f32) * 0.7).sin();
    }
    parameters
}

/// Norm of the difference over the norm of the second. What overflowed in both is the same in both; what
/// overflowed in one of them is infinitely far.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f64 {
    let (mut difference, mut size) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        match (a.is_finite(), b.is_finite()) {
            (true, true) => {
                difference += (f64::from(*a) - f64::from(*b)).powi(2);
                size += f64::from(*b).powi(2);
            }
            (false, false) => {}
            _ => return f64::INFINITY,
        }
    }
    (difference / f64::max(size, 1e-20)).sqrt()
}

/// What passes by hand share, without dropout.
pub(super) fn host_context<'a>(
    config: &'a Config,
    precision: &'a Precision,
    parameters: &'a Parameters,
    batch: &'a Batch,
) -> host::Context<'a> {
    let (model, half) = (&config.model, precision.half());
    host::Context {
        config,
        precision,
        batch,
        weights: super::weights::host::Weights::new(parameters, model, precision).into(),
        slots: Slots::new(batch, model, half),
        tensor: None,
        before: None,
        rows: None,
        masks: Masks::default(),
    }
}

/// A layer's output, the gradient of its input, and those of its parameters.
type Passed = [Vec<f32>; 3];

/// Values of a `[20, 16]` tensor of the batch.
fn activations(frequency: f32) -> Vec<f32> {
    (0..320).map(|i| (i as f32 * frequency).sin()).collect()
}

fn own(parameters: &Parameters, flat: &[f32]) -> Vec<f32> {
    let table = parameters.table().iter();
    let of_layer = table.filter(|p| p.layer == Some(LAYER));
    of_layer
        .flat_map(|p| flat[p.range.clone()].to_vec())
        .collect()
}

fn by_graph(config: &Config, parameters: &Parameters) -> Passed {
    let (batch, device) = (batch(), Default::default());
    let precision = Precision::new(&config.precision, config.model.layers);
    let (runs, half) = ([parameters], precision.half());
    let mut weights = Weights::<Autodiff<Flex>>::new(&runs, &precision, &device, true);
    let block = Block::new(&config.model, LAYER, &mut weights);
    let input = Input::new(&batch, &Targets::default(), &config.model, half, &device);
    let tensor = |frequency| {
        let data = TensorData::new(activations(frequency), [20, 16]);
        Tensor::<Autodiff<Flex>, 2>::from_data(data, &device)
    };
    let x = tensor(0.7).require_grad();
    let mut context = graph::Context::plain(config, &precision);
    let y = block.forward(x.clone(), &input, &mut context);
    let mut grads = (y.clone() * tensor(0.3)).sum().backward();
    let dx = x.grad(&grads).unwrap().into_data().to_vec().unwrap();
    let gradients = collect(weights.into_leaves(), &mut grads, &runs, &precision);
    let y = y.into_data().to_vec().unwrap();
    [y, dx, own(parameters, &gradients[0].flat)]
}

fn by_hand(config: &Config, parameters: &Parameters) -> Passed {
    let (batch, model) = (batch(), &config.model);
    let precision = Precision::new(&config.precision, model.layers);
    let context = host_context(config, &precision, parameters, &batch);
    let rows = Rows::new(20, model.seq_len);
    let sublayers = sublayers_of(&context, LAYER);
    let mut slices = GradientSlices::new(parameters, model);
    let x = activations(0.7);
    let first = sublayers[0].forward(&x, &rows, None);
    let second = sublayers[1].forward(&first.output, &rows, None);
    let d = Buffer::of(&activations(0.3));
    let to = sublayers[1].gradient(&mut slices);
    let d = sublayers[1].backward(&first.output, &second.saved, d, &rows, to);
    let to = sublayers[0].gradient(&mut slices);
    let d = sublayers[0].backward(&x, &first.saved, d, &rows, to);
    let gradients = slices.finish(&precision);
    [
        second.output.to_vec(),
        d.to_vec(),
        own(parameters, &gradients.flat),
    ]
}

/// Holds both to one another, in FP32 and in FP16.
pub(super) fn check_layer(what: &str, change: impl Fn(&mut Config)) {
    for (format, tolerance) in [(Format::Fp32, 1e-5), (Format::Fp16, 3e-3)] {
        let mut config = config(Norm::DeepnormGlm, true);
        config.precision.format = format;
        change(&mut config);
        if config.precision.softmax != Format::Fp32 {
            config.precision.softmax = format;
        }
        let parameters = parameters(&config);
        let (ours, theirs) = (
            by_hand(&config, &parameters),
            by_graph(&config, &parameters),
        );
        let names = ["output", "input's gradient", "parameters' gradients"];
        for ((ours, theirs), name) in ours.iter().zip(&theirs).zip(names) {
            assert_eq!(ours.len(), theirs.len());
            let error = distance(ours, theirs);
            assert!(error < tolerance, "{what}, {format:?}, {name}: {error:e}");
        }
    }
}
