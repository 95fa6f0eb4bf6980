//! Properties of the whole model: masks by what a change can reach, gradients by directional
//! differences, precision by closeness and by invariance.

use super::*;
use crate::data::Batch;
use crate::data::objective::{Kind, Sample, Segment};
use crate::parameters::{Parameters, Role};
use crate::pass::{self, Note, Setting, TrainPass};
use burn::backend::{Autodiff, Flex};
use burn::tensor::TensorData;
use experiments_config::{Format, KernelChoice, Norm};

mod packed;
mod variants;

const VOCAB: usize = 40;

/// What it is, and how it changes a configuration.
type Change = (&'static str, fn(&mut Config));

const PROBE: Note = Note {
    probe: true,
    capture: false,
};

fn config(norm: Norm, tie: bool) -> Config {
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
fn batch() -> Batch {
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

fn parameters(config: &Config) -> Parameters {
    let mut parameters = Parameters::initialise(&config.model, VOCAB, 5);
    // Biases and norms leave their special starting values, so that their gradients are tested.
    for (i, value) in parameters.values_mut().iter_mut().enumerate() {
        *value += 0.05 * ((i as f32) * 0.7).sin();
    }
    parameters
}

fn train(config: &Config, parameters: &Parameters, scale: f64) -> TrainPass {
    let precision = Precision::new(&config.precision, config.model.layers);
    let device = Default::default();
    let setting = Setting::<Autodiff<Flex>> {
        config,
        precision: &precision,
        device: &device,
        seat: None,
    };
    pass::train(
        &setting,
        parameters,
        &batch(),
        scale,
        Dropout::new(1, 1),
        PROBE,
    )
}

/// What the gradient is of: the loss, with the z-loss where there is one.
fn loss(config: &Config, parameters: &Parameters) -> f64 {
    let losses = train(config, parameters, 1.0).losses;
    losses.all.value().unwrap() + losses.z_loss.value().unwrap_or(0.0)
}

fn gradient(pass: &TrainPass) -> Vec<f64> {
    pass.gradients.flat.iter().map(|g| f64::from(*g)).collect()
}

/// Along the gradient itself the slope is its norm, which FP32 resolves best.
fn check_gradients(config: &Config, what: &str) {
    let parameters = parameters(config);
    let analytic = gradient(&train(config, &parameters, 1.0));
    let mut checked = 0;
    for p in parameters.table() {
        let own = &analytic[p.range.clone()];
        let norm_of = own.iter().map(|g| g * g).sum::<f64>().sqrt();
        if norm_of < 1e-4 {
            continue;
        }
        checked += 1;
        let step = 2e-3_f64.max(2e-4 / norm_of).min(2e-2);
        let moved = |sign: f64| {
            let mut moved = parameters.clone();
            let values = &mut moved.values_mut()[p.range.clone()];
            for (value, g) in values.iter_mut().zip(own) {
                *value += (sign * step * g / norm_of) as f32;
            }
            loss(config, &moved)
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let error = (slope / norm_of - 1.0).abs();
        assert!(error < 0.03, "{what} {}: {slope} against {norm_of}", p.name);
    }
    assert!(checked * 10 > parameters.table().len() * 8, "{what}");
}

#[test]
fn every_parameters_gradient_agrees_with_a_directional_difference() {
    for norm in Norm::ALL {
        for tie in [true, false] {
            check_gradients(&config(norm, tie), &format!("{norm:?} {tie}"));
        }
    }
}

/// Logits of every slot of one sequence, `[s · v]`.
fn logits(config: &Config, sample: Sample) -> Vec<f32> {
    let parameters = parameters(config);
    let precision = Precision::new(&config.precision, config.model.layers);
    let device = Default::default();
    let runs = [&parameters];
    let mut weights = Weights::<Flex>::new(&runs, &precision, &device, false);
    let model = Glm::new(config, &mut weights);
    let targets = crate::data::Targets {
        slots: (0..10).collect(),
        ..Default::default()
    };
    let batch = Batch {
        samples: vec![sample],
        languages: vec![Some(0)],
    };
    let input = Input::new(&batch, &targets, &config.model, None, &device);
    let mut context = Context::plain(config, &precision);
    model
        .logits(&input, &mut context)
        .into_data()
        .to_vec()
        .unwrap()
}

#[test]
fn the_prefix_is_seen_by_all_and_the_rest_only_by_what_follows() {
    let config = config(Norm::DeepnormGlm, true);
    let sample = batch().samples[0].clone();
    let before = logits(&config, sample.clone());
    let reached_by = |slot: usize| -> Vec<usize> {
        let mut changed = sample.clone();
        changed.tokens[slot] = (changed.tokens[slot] + 1) % 39;
        let after = logits(&config, changed);
        let row = |values: &[f32], slot: usize| values[slot * VOCAB..(slot + 1) * VOCAB].to_vec();
        (0..10)
            .filter(|s| row(&before, *s) != row(&after, *s))
            .collect()
    };
    assert_eq!(
        reached_by(2),
        (0..10).collect::<Vec<_>>(),
        "a prefix slot reaches all"
    );
    assert_eq!(
        reached_by(6),
        [6, 7, 8, 9],
        "a generated slot reaches itself and what follows"
    );
}

#[test]
fn shrink_scales_its_path_and_nothing_else() {
    let plain = config(Norm::Post, true);
    let parameters = parameters(&plain);
    let whole = train(&plain, &parameters, 1.0);
    let embedding = 0..VOCAB * 16;
    for (path, input, logit) in [
        (EgsPath::Input, 0.25, 1.0),
        (EgsPath::Logit, 1.0, 0.25),
        (EgsPath::Both, 0.25, 0.25),
    ] {
        let mut shrunk = plain.clone();
        shrunk.egs.alpha = 0.25;
        shrunk.egs.path = path;
        let pass = train(&shrunk, &parameters, 1.0);
        let times =
            |values: &[f32], factor: f32| values.iter().map(|v| v * factor).collect::<Vec<_>>();
        let (ours, theirs) = (&pass.gradients, &whole.gradients);
        let paths = |gradients: &Gradients| gradients.paths.clone().unwrap();
        // A power of two, so the factor is exact at every point.
        assert_eq!(paths(ours).input[..], times(&paths(theirs).input, input));
        assert_eq!(paths(ours).logit[..], times(&paths(theirs).logit, logit));
        assert_eq!(ours.flat[embedding.end..], theirs.flat[embedding.end..]);
        assert_eq!(pass.losses.all.value(), whole.losses.all.value());
    }
}

#[test]
fn half_precision_is_near_fp32_and_stores_only_its_own_values() {
    for (format, tolerance) in [(Format::Fp16, 2e-3), (Format::Bf16, 2e-2)] {
        for softmax in [Format::Fp32, format] {
            let exact = config(Norm::DeepnormGlm, true);
            let mut half = exact.clone();
            half.precision.format = format;
            half.precision.softmax = softmax;
            let parameters = parameters(&exact);
            let (exact, half_pass) = (
                train(&exact, &parameters, 1024.0),
                train(&half, &parameters, 1024.0),
            );
            let loss = |pass: &TrainPass| pass.losses.all.value().unwrap();
            assert!((loss(&half_pass) / loss(&exact) - 1.0).abs() < tolerance);
            let (g, h) = (gradient(&exact), gradient(&half_pass));
            let difference: f64 = g.iter().zip(&h).map(|(a, b)| (a - b).powi(2)).sum();
            let norm: f64 = g.iter().map(|a| a * a).sum();
            assert!((difference / norm).sqrt() < 20.0 * tolerance);
            let format = crate::numerics::precision::half_format(format).unwrap();
            for p in parameters.table().iter().filter(|p| p.role != Role::Norm) {
                let mut rounded = half_pass.gradients.flat[p.range.clone()].to_vec();
                kernels::round_slice(&mut rounded, format);
                assert_eq!(
                    rounded,
                    half_pass.gradients.flat[p.range.clone()],
                    "{}",
                    p.name
                );
            }
        }
    }
}

#[test]
fn planted_weights_overflow_fp16_and_the_tensor_is_named() {
    let mut config = config(Norm::Pre, true);
    config.precision.format = Format::Fp16;
    let mut parameters = parameters(&config);
    let name = "layers.1.attention.qkv.weight";
    let range = parameters.table()[parameters.find(name).unwrap()]
        .range
        .clone();
    parameters.values_mut()[range]
        .iter_mut()
        .for_each(|w| *w *= 2000.0);
    let precision = Precision::new(&config.precision, config.model.layers);
    let device = Default::default();
    let setting = Setting::<Autodiff<Flex>> {
        config: &config,
        precision: &precision,
        device: &device,
        seat: None,
    };
    pass::train(
        &setting,
        &parameters,
        &batch(),
        1.0,
        Dropout::new(1, 1),
        PROBE,
    );
    let first = precision.take_report().first_overflow.unwrap();
    assert_eq!(first, "layers.1.attention.scores (forward)");
}

/// Φ(x) by the series of its density, in f64.
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..100 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[test]
fn geglu_gates_the_second_half_with_exact_gelu() {
    let config = config(Norm::Post, true);
    let parameters = parameters(&config);
    let wide = |name: &str| -> Vec<f64> {
        let entry = &parameters.table()[parameters.find(name).unwrap()];
        parameters.values()[entry.range.clone()]
            .iter()
            .map(|v| f64::from(*v))
            .collect()
    };
    let x: Vec<f32> = (0..16).map(|i| (i as f32).cos()).collect();
    let linear = |name: &str, x: &[f64]| -> Vec<f64> {
        let (w, b) = (
            wide(&format!("{name}.weight")),
            wide(&format!("{name}.bias")),
        );
        let row = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        w.chunks(x.len()).zip(b).map(|(w, b)| row(w) + b).collect()
    };
    let up = linear(
        "layers.0.ffn.up",
        &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
    );
    let hidden: Vec<f64> = (0..24)
        .map(|i| up[i] * up[24 + i] * normal_cdf(up[24 + i]))
        .collect();
    let expected = linear("layers.0.ffn.down", &hidden);

    let precision = Precision::new(&config.precision, 2);
    let device = Default::default();
    let runs = [&parameters];
    let mut weights = Weights::<Flex>::new(&runs, &precision, &device, false);
    let ffn = feed_forward::FeedForward::new("layers.0.ffn", &config.model, &mut weights);
    let mut context = Context::plain(&config, &precision);
    let x = Tensor::from_data(TensorData::new(x, [1, 16]), &device);
    let ours: Vec<f32> = ffn
        .forward(x, 0, &mut context)
        .into_data()
        .to_vec()
        .unwrap();
    for (ours, expected) in ours.iter().zip(expected) {
        assert!(
            (f64::from(*ours) - expected).abs() < 1e-5,
            "{ours} {expected}"
        );
    }
}
