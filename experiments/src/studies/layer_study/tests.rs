//! The lean layer against the trainer's own, forward and backward.

use super::layer::Layer;
use super::stats::{Pass, Recorder};
use super::*;
use crate::data::objective::{Kind, sample_gmask, text_len};
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::residual::graph::Block;
use crate::layers::weights::graph::{Weights, collect};
use crate::numerics::precision::Precision;
use crate::parameters::Parameters;
use crate::random::stream;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use experiments_config::{Format, Norm, ObjectiveMode, Packing, Residual};
use experiments_text::SpecialIds;

const TOKENS: usize = 12;
const PREFIX: usize = 5;
const LAYER: usize = 1;

type Cpu = Autodiff<Flex>;

fn config(norm: Norm, format: Format) -> Config {
    let mut config = Config::default();
    config.model.layers = 3;
    config.model.hidden_size = 16;
    config.model.ffn_hidden_size = 24;
    config.model.seq_len = TOKENS;
    config.model.norm = norm;
    config.tokenizer.vocab_size = 40;
    config.precision.format = format;
    config.precision.query_key_layer_scaling = true;
    config
}

/// Output, input gradient, and RMS of every weight's gradient.
struct Outcome {
    out: Vec<f32>,
    dx: Vec<f32>,
    gradients: Vec<(String, f64)>,
}

fn rms(values: &[f32]) -> f64 {
    let squares = values.iter().map(|v| f64::from(*v).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

/// By the trainer's block on the autodiff graph.
fn plain(config: &Config, x: &[f32], g: &[f32]) -> Outcome {
    let (model, device) = (&config.model, Default::default());
    let parameters = Parameters::initialise(model, config.tokenizer.vocab_size, config.seed);
    let precision = Precision::new(&config.precision, model.layers);
    let runs = [&parameters];
    let mut weights = Weights::<Cpu>::new(&runs, &precision, &device, true);
    let block = Block::new(model, LAYER, &mut weights);
    let batch = graph::sequence(TOKENS, PREFIX);
    let half = precision.half();
    let input = Input::new(&batch, &Default::default(), model, half, &device);
    let mut context = Context::plain(config, &precision);
    let h = model.hidden_size;
    let matrix = |values: &[f32]| {
        Tensor::<Cpu, 2>::from_data(TensorData::new(values.to_vec(), [TOKENS, h]), &device)
    };
    let x = matrix(x).require_grad();
    let out = block.forward(x.clone(), &input, &mut context);
    let mut grads = (out.clone() * matrix(g)).sum().backward();
    let dx = x.grad(&grads).unwrap().into_data().to_vec().unwrap();
    drop(block);
    let gradients = collect(weights.into_leaves(), &mut grads, &runs, &precision);
    let flat = &gradients[0].flat;
    let own = parameters.table().iter().filter(|p| p.layer == Some(LAYER));
    Outcome {
        out: out.into_data().to_vec().unwrap(),
        dx,
        gradients: own
            .map(|p| (p.name.clone(), rms(&flat[p.range.clone()])))
            .collect(),
    }
}

/// By the slice.
fn lean(config: &Config, x: &[f32], g: &[f32]) -> Outcome {
    let table = Parameter::table(&config.model, config.tokenizer.vocab_size);
    let mut recorder = Recorder::new(half_format(config.precision.format));
    let layer = Layer::draw(config, &table, LAYER, &mut recorder).with_prefix(PREFIX);
    let (out, saved) = layer.forward(x.to_vec(), TOKENS, &mut recorder);
    let dx = layer.backward(g.to_vec(), saved, TOKENS, &mut recorder);
    let tensors = recorder.finish().into_iter();
    let gradients = tensors.filter(|t| t.pass == Pass::WeightGradient);
    Outcome {
        out,
        dx,
        gradients: gradients.map(|t| (t.name, t.rms)).collect(),
    }
}

fn difference(a: &[f32], b: &[f32]) -> f64 {
    let differences: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    rms(&differences) / rms(b)
}

#[test]
fn the_lean_layer_is_the_trainers_layer() {
    for (format, tolerance) in [(Format::Fp32, 1e-5), (Format::Fp16, 2e-3)] {
        for norm in Norm::ALL {
            let config = config(norm, format);
            let len = TOKENS * config.model.hidden_size;
            let mut x = input::normal(3, "x", len, 1.7);
            let g = input::normal(3, "g", len, 0.3);
            Recorder::new(half_format(format)).round(&mut x);
            let (ours, theirs) = (lean(&config, &x, &g), plain(&config, &x, &g));
            let errors = (
                difference(&ours.out, &theirs.out),
                difference(&ours.dx, &theirs.dx),
            );
            assert!(
                errors.0 < tolerance && errors.1 < tolerance,
                "{norm:?} {format:?}: {errors:?}"
            );
            assert_eq!(ours.gradients.len(), theirs.gradients.len());
            for (name, expected) in &theirs.gradients {
                let (_, found) = ours.gradients.iter().find(|(n, _)| n == name).unwrap();
                let error = (found / expected - 1.0).abs();
                // The key part of the bias has almost no gradient, and FP16 loses some of it.
                assert!(
                    error < 5.0 * tolerance,
                    "{norm:?} {format:?} {name}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn the_graph_shows_what_the_lean_layers_show() {
    let config = config(Norm::DeepnormGlm, Format::Fp32);
    let len = TOKENS * config.model.hidden_size;
    let run = || Run {
        config: &config,
        layers: 0..2,
        sequence: Sequence::mean(&config, TOKENS - 3),
        input: input::normal(3, "x", len - 3 * config.model.hidden_size, 1.7),
        gradient: input::normal(3, "g", len - 3 * config.model.hidden_size, 0.3),
    };
    let mut nothing = |_: &str, _: f64| {};
    let (mut lean, mut graph) = (Recorder::new(None), Recorder::new(None));
    run().lean(&mut lean, &mut nothing);
    run().graph(Device::CPU, &mut graph, &mut nothing).unwrap();
    let (lean, graph) = (lean.finish(), graph.finish());
    let mut compared = 0;
    for theirs in &graph {
        let same = |t: &&TensorStats| t.name == theirs.name && t.pass == theirs.pass;
        let Some(ours) = lean.iter().find(same) else {
            continue;
        };
        compared += 1;
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs();
        assert!(
            close(ours.rms, theirs.rms) && close(ours.max, theirs.max),
            "{ours:?} {theirs:?}"
        );
    }
    // Per layer four values and every weight's gradient, and the gradient of the input.
    assert!(compared > 2 * (4 + 12), "{compared}");
}

/// Of 512 slots a mean [gMASK] sequence shows 204 tokens and its mask: no loss is taken there.
#[test]
fn a_gradient_enters_where_targets_are() {
    let mut config = config(Norm::DeepnormGlm, Format::Fp32);
    let sequence = Sequence::mean(&config, 512);
    assert_eq!((sequence.prefix, &sequence.targets), (205, &(205..512)));
    let h = config.model.hidden_size;
    let gradient = sequence.gradient(&config, 2.0);
    let (shown, generated) = gradient.split_at(205 * h);
    assert!(shown.iter().all(|g| *g == 0.0));
    assert!(generated.iter().all(|g| *g != 0.0));
    assert!((rms(generated) / 2.0 - 1.0).abs() < 0.02);
    // The loss is a mean over targets, so each has the more the fewer there are.
    let ratio = input::gradient_rms(&config, 307) / input::gradient_rms(&config, 512);
    assert!((ratio - 512.0 / 307.0).abs() < 1e-12);

    // Padding has no target.
    config.objective.packing = Packing::Original;
    let sequence = Sequence::mean(&config, 512);
    assert_eq!((sequence.prefix, sequence.targets), (201, 201..501));
    config.objective.mode = ObjectiveMode::Gpt;
    let sequence = Sequence::mean(&config, 512);
    assert_eq!((sequence.prefix, sequence.targets), (0, 0..512));
    // The smallest sequence has one of each.
    config.objective = Default::default();
    let sequence = Sequence::mean(&config, 2);
    assert_eq!((sequence.prefix, sequence.targets), (1, 1..2));
}

/// The sequences that training makes, on average.
#[test]
fn the_sequence_of_a_slice_is_the_mean_of_those_trained_on() {
    let config = config(Norm::Post, Format::Fp32);
    let special = SpecialIds {
        mask: 256,
        gmask: 257,
        sop: 258,
        eop: 259,
        eos: 260,
        pad: 261,
    };
    let (slots, rows) = (512, 4000);
    let text = vec![7; text_len(Kind::Gmask, &config.objective, slots)];
    let (mut targets, mut prefix) = (0, 0);
    for row in 0..rows {
        let mut rng = stream(row, "test", 0);
        let sample = sample_gmask(&config.objective, &special, &text, slots, &mut rng);
        targets += sample.target_count();
        prefix += sample.segments[0].prefix;
    }
    let mean = Sequence::mean(&config, slots);
    // The deviation of one length is 118, of the mean of 4,000 it is 1.9.
    let near = |sum: usize, mean: usize| (sum as f64 / rows as f64 - mean as f64).abs() < 8.0;
    assert!(near(targets, mean.targets.len()) && near(prefix, mean.prefix));
}

#[test]
fn analytic_input_scales_are_near_what_a_stack_shows() {
    // A stack of layers at initialisation, its own outputs measured.
    for norm in Norm::ALL {
        let mut config = config(norm, Format::Fp32);
        config.model.layers = 6;
        config.model.hidden_size = 64;
        config.model.ffn_hidden_size = 171;
        config.model.seq_len = 64;
        let mut nothing = |_: &str, _: f64| {};
        let report = layer_study(LayerStudy {
            config: &config,
            layers: 6,
            position: 0,
            tokens: 64,
            input_rms: None,
            loss_scale: None,
            micro_batches: 1,
            progress: &mut nothing,
        })
        .unwrap();
        for position in 1..6 {
            let name = format!("layers.{position}.input");
            let is_input = |t: &&TensorStats| t.name == name && t.pass == Pass::Forward;
            let found = report.tensors.iter().find(is_input).unwrap().rms;
            let expected = residual_rms(&config, position);
            let ratio = found / expected;
            // Attention's share is left out of the formula: it makes slots alike, and what is alike
            // does not average out any more. Near for Post-LN, a factor of two for Pre-LN.
            let allowed = match norm.row().residual {
                Residual::Norm { .. } => 0.85..1.25,
                Residual::Stream { .. } => 0.5..2.0,
            };
            assert!(
                allowed.contains(&ratio),
                "{norm:?} {position}: {found} {expected}"
            );
        }
    }
}

#[test]
fn a_sum_that_rounds_back_is_an_addition_without_effect() {
    let mut recorder = Recorder::new(Some(HalfFormat::Fp16));
    // FP16 numbers near 8 are 2^-7 apart: 0.003 is lost, 0.005 is not, 0 was never added.
    let (stream, added) = ([8.0, 8.0, 8.0], [0.003, 0.005, 0.0]);
    let mut sum: Vec<f32> = stream.iter().zip(added).map(|(x, f)| x + f).collect();
    recorder.round(&mut sum);
    recorder.addition("x", &stream, &added, &sum);
    assert_eq!(recorder.take_additions()[0].without_effect, 0.5);
}

#[test]
fn what_a_slice_cannot_do_is_refused() {
    let refuse = |change: fn(&mut Config), layers, tokens| {
        let mut config = config(Norm::Post, Format::Fp32);
        change(&mut config);
        let mut nothing = |_: &str, _: f64| {};
        layer_study(LayerStudy {
            config: &config,
            layers,
            position: 1,
            tokens,
            input_rms: None,
            loss_scale: None,
            micro_batches: 1,
            progress: &mut nothing,
        })
        .unwrap_err()
        .to_string()
    };
    assert!(refuse(|_| {}, 3, 8).contains("layers 2 to 4"));
    assert!(refuse(|_| {}, 1, 13).contains("between 2 and"));
    assert!(refuse(|c| c.model.qk_norm = true, 1, 8).contains("`model.qk_norm = false`"));
    let huge = refuse(
        |c| {
            c.model.hidden_size = 1 << 20;
            c.model.ffn_hidden_size = 1 << 20;
        },
        1,
        8,
    );
    assert!(huge.contains("GB are free"), "{huge}");
}
