//! Properties of the whole model: masks by what a change can reach, gradients by directional
//! differences, precision by closeness and by invariance.

use super::*;
use crate::data::objective::{Kind, Sample, Segment};
use crate::layers::agreement::{VOCAB, batch, config, parameters};
use crate::layers::gradients::Gradients;
use crate::numerics::precision::Precision;
use crate::parameters::{Parameters, Role};
use burn::backend::{Autodiff, Flex};
use burn::tensor::TensorData;
use experiments_config::{EgsPath, Ffn, Format, Norm, Positions};

mod packed;
mod variants;

/// What it is, and how it changes a configuration.
type Change = (&'static str, fn(&mut Config));

/// The choices beside GLM-130B's own.
const VARIANTS: [Change; 9] = [
    ("2-D RoPE", |c| c.model.positions = Positions::Rope2d),
    ("learned", |c| c.model.positions = Positions::Learned),
    ("ALiBi", |c| c.model.positions = Positions::Alibi),
    ("GELU", |c| c.model.ffn = Ffn::Gelu),
    ("QK norm", |c| c.model.qk_norm = true),
    ("embedding norm", |c| c.model.embedding_norm = true),
    ("no bias", |c| c.model.bias = false),
    ("z-loss", |c| c.objective.z_loss = 0.1),
    ("layer scaling", |c| {
        c.precision.query_key_layer_scaling = true;
    }),
];

const PROBE: Note = Note {
    probe: true,
    capture: false,
};

fn graph() -> Graph<Autodiff<Flex>> {
    Graph::new(Default::default(), "flex".to_owned(), false)
}

fn train(config: &Config, parameters: &Parameters, scale: f64) -> TrainPass {
    let precision = Precision::new(&config.precision, config.model.layers);
    train_counting(config, &precision, parameters, scale)
}

/// With range losses in `precision`.
fn train_counting(
    config: &Config,
    precision: &Precision,
    parameters: &Parameters,
    scale: f64,
) -> TrainPass {
    let run = Run {
        config,
        precision,
        parameters,
        batch: &batch(),
    };
    graph().train(run, scale, Dropout::new(1, 1), PROBE)
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
    let targets = Targets {
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
    train_counting(&config, &precision, &parameters, 1.0);
    let first = precision.take_report().first_overflow.unwrap();
    assert_eq!(first, "layers.1.attention.scores (forward)");
}
