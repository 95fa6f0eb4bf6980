//! Both implementations of the embedding.

use super::*;
use crate::data::Targets;
use crate::layers::agreement::{batch, config, distance, host_context, parameters};
use crate::layers::context::graph::Context;
use crate::layers::gradients::slices::GradientSlices;
use crate::layers::input::Input;
use crate::layers::weights::graph::{Weights, collect};
use crate::numerics::precision::Precision;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};
use experiments_config::{Config, Format, Norm, Positions};
use kernels::Buffer;

fn check(config: &Config, tolerance: f64) {
    let (parameters, batch, device) = (parameters(config), batch(), Default::default());
    let precision = Precision::new(&config.precision, config.model.layers);
    let d: Vec<f32> = (0..320).map(|i| (i as f32 * 0.3).sin()).collect();

    let context = host_context(config, &precision, &parameters, &batch);
    let embedding = host::Embedding::new(&context);
    let output = embedding.forward();
    let mut slices = GradientSlices::new(&parameters, &config.model);
    embedding.backward(Buffer::of(&d), &mut slices);

    let runs = [&parameters];
    let mut weights = Weights::<Autodiff<Flex>>::new(&runs, &precision, &device, true);
    let embedding = graph::Embedding::new(&config.model, &mut weights);
    let (targets, half) = (Targets::default(), precision.half());
    let input = Input::new(&batch, &targets, &config.model, half, &device);
    let x = embedding.forward(&input, &mut Context::plain(config, &precision));
    let d = Tensor::from_data(TensorData::new(d, [20, 16]), &device);
    let mut grads = (x.clone() * d).sum().backward();
    let theirs = &collect(weights.into_leaves(), &mut grads, &runs, &precision)[0].flat;
    let x: Vec<f32> = x.into_data().to_vec().unwrap();
    assert!(distance(&output, &x) < tolerance);
    for name in [
        TOKENS,
        POSITIONS,
        "embedding_norm.weight",
        "embedding_norm.bias",
    ] {
        let Some(index) = parameters.find(name) else {
            continue;
        };
        let theirs = &theirs[parameters.table()[index].range.clone()];
        assert!(distance(slices.one(name), theirs) < tolerance, "{name}");
    }
}

#[test]
fn both_implementations_agree() {
    for (format, tolerance) in [(Format::Fp32, 1e-5), (Format::Fp16, 3e-3)] {
        for (positions, norm) in [(Positions::Rope, true), (Positions::Learned, false)] {
            for alpha in [1.0, 0.3] {
                let mut config = config(Norm::Post, false);
                config.precision.format = format;
                (config.model.positions, config.model.embedding_norm) = (positions, norm);
                config.egs.alpha = alpha;
                check(&config, tolerance);
                config.model.embedding_norm = !norm;
                check(&config, tolerance);
            }
        }
    }
}
