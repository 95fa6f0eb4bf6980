//! Both implementations of the feed-forward, and what GeGLU is.

use super::*;
use crate::layers::agreement::{check_layer, config, parameters};
use crate::layers::context::graph::Context;
use crate::layers::residual::host::Branch;
use crate::layers::rows::Rows;
use crate::layers::weights::graph::Weights;
use crate::numerics::precision::Precision;
use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use experiments_config::{Activation, Ffn, Norm, PrecisionConfig};
use kernels::slices::Linear;

#[test]
fn both_implementations_agree_for_every_activation() {
    for ffn in Ffn::ALL {
        for bias in [true, false] {
            let what = format!("{ffn:?} {bias}");
            check_layer(&what, |c| (c.model.ffn, c.model.bias) = (ffn, bias));
        }
    }
}

const WIDTH: usize = 3;

/// Output of a feed-forward with first matrix `[up, 3]` and second `[3, down]`, of one row.
fn output(activation: Activation, up: usize, down: usize) -> Vec<f32> {
    let values: Vec<f32> = (0..40).map(|i| ((i * i) as f32).sin()).collect();
    let linear = |inputs, outputs| Linear {
        weight: &values[..inputs * outputs],
        bias: None,
        inputs,
        outputs,
    };
    let precision = Precision::new(&PrecisionConfig::default(), 1);
    let ffn = host::FeedForward {
        up: linear(WIDTH, up),
        down: linear(down, WIDTH),
        activation,
        places: precision.layer(0),
        is_split: false,
    };
    let weights = ffn.linears().map(Linear::forward_weight);
    let (mut kept, mut out) = (vec![0.0; up], vec![0.0; WIDTH]);
    let kept = [&mut kept[..], &mut [], &mut []];
    ffn.forward(
        &Rows::new(1, 1),
        &(0..1),
        &weights,
        &values[..WIDTH],
        kept,
        &mut out,
    );
    out
}

#[test]
fn shapes_that_fit_the_activation_are_computed_by_it() {
    assert_ne!(output(*Ffn::Geglu.row(), 8, 4), [0.0; WIDTH]);
    assert_ne!(output(*Ffn::Gelu.row(), 4, 4), [0.0; WIDTH]);
}

#[test]
#[should_panic(expected = "left == right")]
fn a_gate_is_not_taken_for_granted_where_the_shapes_have_room_for_one() {
    let _ = output(*Ffn::Gelu.row(), 8, 4);
}

#[test]
#[should_panic(expected = "left == right")]
fn a_gate_that_does_not_fit_is_not_left_out() {
    let _ = output(*Ffn::Geglu.row(), 4, 4);
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
    let ffn = graph::FeedForward::new("layers.0.ffn", &config.model, &mut weights);
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
