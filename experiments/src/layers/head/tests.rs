//! Both implementations of the head: logits, and gradients of the losses.

use super::*;
use crate::layers::agreement::{batch, config, distance, host_context, parameters};
use crate::layers::context::graph::Context;
use crate::layers::gradients::slices::GradientSlices;
use crate::layers::input::Input;
use crate::layers::weights::HEAD;
use crate::layers::weights::graph::{Weights, collect};
use crate::numerics::precision::Precision;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Int, Tensor, TensorData, activation};
use experiments_config::{Config, Format, Norm};

/// A weight for every loss, the same for all.
const SCALE: f32 = 8.0;

fn check(config: &Config, tolerance: f64) {
    let (parameters, batch, device) = (parameters(config), batch(), Default::default());
    let (precision, targets) = (
        Precision::new(&config.precision, config.model.layers),
        batch.targets(),
    );
    let t = targets.tokens.len();
    let x: Vec<f32> = (0..320).map(|i| (i as f32 * 0.7).sin()).collect();

    let context = host_context(config, &precision, &parameters, &batch);
    let head = host::Head::new(&context);
    let mut last = head.forward(&x);
    let logits = last.tokens.logits();
    let gradients = host::TokenGradients {
        losses: &vec![SCALE; t],
        log_z: None,
    };
    let mut slices = GradientSlices::new(&parameters, &config.model);
    let dx = head.backward(&x, &mut last, &gradients, &mut slices);

    let runs = [&parameters];
    let mut weights = Weights::<Autodiff<Flex>>::new(&runs, &precision, &device, true);
    let head = graph::Head::new(&config.model, &mut weights);
    let half = precision.half();
    let input = Input::new(&batch, &targets, &config.model, half, &device);
    let x = Tensor::from_data(TensorData::new(x, [20, 16]), &device).require_grad();
    let mut context = Context::plain(config, &precision);
    let theirs = head.forward(x.clone(), &input, &mut context);
    let tokens = TensorData::new(targets.tokens, [t, 1]);
    let tokens = Tensor::<Autodiff<Flex>, 2, Int>::from_data(tokens, &device);
    let losses = activation::log_softmax(theirs.clone(), 1)
        .gather(1, tokens)
        .neg()
        * SCALE;
    let mut grads = losses.sum().backward();
    let theirs: Vec<f32> = theirs.into_data().to_vec().unwrap();
    assert!(distance(&logits, &theirs) < tolerance);
    let theirs: Vec<f32> = x.grad(&grads).unwrap().into_data().to_vec().unwrap();
    assert!(distance(&dx, &theirs) < tolerance);
    let theirs = &collect(weights.into_leaves(), &mut grads, &runs, &precision)[0].flat;
    let ours = slices.finish(&precision).flat;
    for name in [HEAD, "final_norm.weight", "final_norm.bias"] {
        let Some(index) = parameters.find(name) else {
            continue;
        };
        let range = parameters.table()[index].range.clone();
        let error = distance(&ours[range.clone()], &theirs[range]);
        assert!(error < tolerance, "{name}: {error:e}");
    }
}

#[test]
fn both_implementations_agree() {
    for (format, tolerance) in [(Format::Fp32, 1e-5), (Format::Fp16, 3e-3)] {
        for (relax, tie) in [(false, false), (true, true)] {
            let mut config = config(Norm::Post, tie);
            config.precision.format = format;
            config.precision.pb_relax.norm = relax;
            check(&config, tolerance);
        }
    }
}
