//! Attention softmax of planted scores, computed as a layer of the model computes it, against FP64.

use super::planted::{Planted, reference};
use crate::backend::Work;
use crate::data::objective::{Kind, Sample, Segment};
use crate::data::{Batch, Targets};
use crate::error::TrainError;
use crate::layers::attention::graph::scores::Scores;
use crate::layers::context::graph::Context;
use crate::layers::input::Input;
use crate::layers::tap::larger;
use crate::numerics::precision::{At, Precision};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use experiments_config::{Config, ModelConfig, Positions};
use kernels::Kernels;
use logs::{Record, signal};

/// The measurement, on any device.
pub(super) struct Softmax<'a> {
    pub(super) config: &'a Config,
}

impl Work for Softmax<'_> {
    type Output = Record;

    fn run<B>(self, device: &B::Device) -> Result<Record, TrainError>
    where
        B: AutodiffBackend + Kernels,
        B::InnerBackend: Kernels,
    {
        Ok(measure::<B>(self.config, device))
    }
}

/// One record, of step 1.
pub(super) fn measure<B>(config: &Config, device: &B::Device) -> Record
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let planted = Planted::new(config);
    let found = compute::<B>(config, &planted, device);
    let expected = reference(&planted.scores, &planted.dp, config.model.seq_len);
    compare(&found, &expected, config.model.seq_len)
}

/// What the model's operations make of planted scores, `[n, s, s]` each.
struct Found {
    /// As first stored: divided by L with query-key layer scaling, by α with PB-Relax.
    stored: Vec<f32>,
    probabilities: Vec<f32>,
    /// Gradient of the planted scores.
    gradient: Vec<f64>,
}

/// The last layer's softmax, so that query-key layer scaling divides by the number of layers.
fn compute<B>(config: &Config, planted: &Planted, device: &B::Device) -> Found
where
    B: AutodiffBackend + Kernels,
    B::InnerBackend: Kernels,
{
    let model = &config.model;
    let (n, s, d) = (model.num_heads, model.seq_len, model.head_dim());
    let layer = model.layers - 1;
    let precision = Precision::new(&config.precision, model.layers);
    let mut context = Context::plain(config, &precision);
    let input = everything_visible::<B>(model, device);
    let tensor = |values: &[f32], last: usize| {
        Tensor::<B, 4>::from_data(TensorData::new(values.to_vec(), [1, n, s, last]), device)
    };
    let scores = Scores::new(layer, &context);
    let product = scores.product(tensor(&planted.q, d), tensor(&planted.k, d), &context);
    let product = product.detach().require_grad();
    let stored = precision.store(product.clone().inner(), At::Scores, layer);
    let p = scores.probabilities(product.clone(), &input, &mut context);
    let probabilities = host(p.clone().inner());
    let gradients = (p * tensor(&planted.dp, s)).sum().backward();
    // Probabilities depend on every score.
    let gradient = host(product.grad(&gradients).expect("a gradient of the scores"));
    let missing = scores.missing();
    Found {
        stored: host(stored),
        probabilities,
        gradient: gradient.iter().map(|g| f64::from(*g) / missing).collect(),
    }
}

/// One sequence in which every slot sees every other.
fn everything_visible<B: Kernels>(model: &ModelConfig, device: &B::Device) -> Input<B> {
    let s = model.seq_len;
    let sample = Sample {
        kind: Kind::Gmask,
        tokens: vec![0; s],
        positions: vec![0; s],
        block_positions: vec![0; s],
        targets: vec![None; s],
        segments: vec![Segment {
            start: 0,
            len: s,
            prefix: s,
        }],
    };
    let batch = Batch {
        samples: vec![sample],
        languages: vec![None],
    };
    // Positions would change the planted scores.
    let model = ModelConfig {
        positions: Positions::Learned,
        ..model.clone()
    };
    Input::new(&batch, &Targets::default(), &model, None, device)
}

fn host<B: Backend>(x: Tensor<B, 4>) -> Vec<f32> {
    // Activations are FP32 tensors on every backend.
    x.into_data().to_vec().expect("FP32 tensor")
}

fn compare(found: &Found, [p, gradient]: &[Vec<f64>; 2], s: usize) -> Record {
    let nonfinite = |values: &[f32]| values.iter().filter(|v| !v.is_finite()).count() as f64;
    let rows = found.stored.chunks_exact(s);
    let rows = rows.zip(found.probabilities.chunks_exact(s));
    // Finite when stored, and lost when the maximum was taken off.
    let empty = rows.filter(|(stored, p)| {
        stored.iter().all(|x| x.is_finite()) && p.iter().all(|p| !p.is_finite())
    });
    let empty = empty.count() as f64;
    let off = found.probabilities.iter().zip(p);
    let off = off.map(|(ours, exact)| (deviation(f64::from(*ours), *exact), ulp(*exact)));
    let largest = gradient
        .iter()
        .fold(TINY, |largest, g| largest.max(g.abs()));
    let gradient_off = found.gradient.iter().zip(gradient);
    let gradient_off = gradient_off.map(|(ours, exact)| deviation(*ours, *exact) / largest);
    let mut record = Record::new(1);
    record.set(signal::NONFINITE_SCORES, nonfinite(&found.stored));
    record.set(
        signal::NONFINITE_PROBABILITIES,
        nonfinite(&found.probabilities),
    );
    record.set(signal::EMPTY_ROWS, empty);
    let absolute = off.clone().map(|(off, _)| off);
    record.set(signal::PROBABILITY_ERROR, absolute.fold(0.0, larger));
    record.set(
        signal::ULP_ERROR,
        off.map(|(off, ulp)| off / ulp).fold(0.0, larger),
    );
    record.set(signal::GRADIENT_ERROR, gradient_off.fold(0.0, larger));
    record
}

/// Smallest normal FP32 number: what lies below may be flushed to 0.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Infinite for what is no number, so that it fails every bound.
fn deviation(ours: f64, exact: f64) -> f64 {
    if ours.is_finite() {
        (ours - exact).abs()
    } else {
        f64::INFINITY
    }
}

/// Spacing of FP32 at `exact`, at least [`TINY`].
fn ulp(exact: f64) -> f64 {
    let near = exact as f32;
    (f64::from(near.next_up()) - f64::from(near)).max(TINY)
}
