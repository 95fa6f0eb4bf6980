//! Per-layer signals read from the forward pass, for every run of a pass by itself. The runs lie one
//! after another in every tensor.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// Signals of one forward pass, in layer order. Reading them copies tensors to the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe {
    /// Largest allowed attention score, after scaling.
    pub(crate) max_attention_logit: Vec<f64>,
    /// RMS of the layer's input, which its first norm sees.
    pub(crate) norm_input_rms: Vec<f64>,
    /// RMS of the layer's output.
    pub(crate) activation_rms: Vec<f64>,
}

impl Probe {
    /// `scores` lack `factor`.
    pub(crate) fn attention_scores<B: Backend>(
        runs: &mut [Self],
        layer: usize,
        scores: &Tensor<B, 4>,
        factor: f64,
    ) {
        each(runs, scores, |run, values| {
            let values = values.iter().map(|v| f64::from(*v));
            let largest = values.fold(f64::NEG_INFINITY, larger);
            run.max_logit(layer, largest * factor);
        });
    }

    pub(crate) fn layer_input<B: Backend>(runs: &mut [Self], layer: usize, x: &Tensor<B, 2>) {
        each(runs, x, |run, values| run.input(layer, values));
    }

    pub(crate) fn layer_output<B: Backend>(runs: &mut [Self], layer: usize, x: &Tensor<B, 2>) {
        each(runs, x, |run, values| run.output(layer, values));
    }

    /// The largest score of a layer.
    pub(crate) fn max_logit(&mut self, layer: usize, value: f64) {
        put(&mut self.max_attention_logit, layer, value);
    }

    /// A layer's input, on the host.
    pub(crate) fn input(&mut self, layer: usize, x: &[f32]) {
        put(&mut self.norm_input_rms, layer, rms(x));
    }

    /// A layer's output, on the host.
    pub(crate) fn output(&mut self, layer: usize, x: &[f32]) {
        put(&mut self.activation_rms, layer, rms(x));
    }

    /// Keeps the larger value of two micro-batches.
    pub(crate) fn join(&mut self, other: &Self) {
        join(&mut self.max_attention_logit, &other.max_attention_logit);
        join(&mut self.norm_input_rms, &other.norm_input_rms);
        join(&mut self.activation_rms, &other.activation_rms);
    }
}

fn join(ours: &mut Vec<f64>, theirs: &[f64]) {
    if ours.is_empty() {
        ours.extend_from_slice(theirs);
    }
    for (a, b) in ours.iter_mut().zip(theirs) {
        *a = larger(*a, *b);
    }
}

/// The larger of two values, or NaN if either is: `f64::max` would drop the one value that must
/// not be lost.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

fn put(signal: &mut Vec<f64>, layer: usize, value: f64) {
    signal.resize(signal.len().max(layer + 1), 0.0);
    signal[layer] = value;
}

fn rms(values: &[f32]) -> f64 {
    (crate::optimizer::adamw::sum_of_squares(values) / values.len() as f64).sqrt()
}

/// Calls `f` with every run and its part of a tensor; reads nothing where nobody asks.
fn each<B: Backend, const D: usize>(
    runs: &mut [Probe],
    x: &Tensor<B, D>,
    f: impl Fn(&mut Probe, &[f32]),
) {
    if runs.is_empty() {
        return;
    }
    let data = x.clone().detach().into_data();
    // Activations are FP32 tensors on every backend.
    let values: &[f32] = data.as_slice().expect("FP32 tensor");
    let part = values.len() / runs.len();
    for (run, values) in runs.iter_mut().zip(values.chunks_exact(part)) {
        f(run, values);
    }
}
