//! What reaches a layer from below and from above, by analysis at initialisation.

use super::gelu::gelu;
use crate::data::objective::{Kind, generated_lengths, text_len};
use crate::random::stream;
use experiments_config::{Config, ObjectiveMode, Residual};
use rand_distr::{Distribution, StandardNormal};
use std::ops::Range;

/// The one sequence of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) slots: usize,
    /// Slots seen by all; beyond them attention is causal.
    pub(super) prefix: usize,
    /// Slots with a target: those from which the loss sends a gradient.
    pub(super) targets: Range<usize>,
}

impl Sequence {
    /// A \[gMASK\] sequence of mean length, of `slots` slots: the generated length is uniform, see
    /// [`generated_lengths`], and what is shown, with its mask, has no target. The unidirectional control
    /// has no prefix and a target everywhere.
    pub(super) fn mean(config: &Config, slots: usize) -> Self {
        let objective = &config.objective;
        let (prefix, targets) = match objective.mode {
            ObjectiveMode::Glm => {
                let text = text_len(Kind::Gmask, objective, slots);
                let lengths = generated_lengths(objective, text);
                let generated = (lengths.start() + lengths.end()).div_ceil(2);
                let prefix = text - generated + 1;
                (prefix, prefix..prefix + generated)
            }
            ObjectiveMode::Gpt => (0, 0..slots),
        };
        Self {
            slots,
            prefix,
            targets,
        }
    }

    /// The gradient of the loss at the output of a layer, `[s, h]`: normal values of RMS `rms` at slots
    /// with a target, 0 elsewhere.
    pub(super) fn gradient(&self, config: &Config, rms: f64) -> Vec<f32> {
        let h = config.model.hidden_size;
        let place = self.targets.start * h..self.targets.end * h;
        let mut gradient = vec![0.0; self.slots * h];
        let own = normal(config.seed, "slice/gradient", place.len(), rms);
        gradient[place].copy_from_slice(&own);
        gradient
    }
}

/// Normal values with a given root mean square, from a stream of their own.
pub(super) fn normal(seed: u64, purpose: &str, len: usize, rms: f64) -> Vec<f32> {
    let mut generator = stream(seed, purpose, 0);
    let mut values = Vec::with_capacity(len);
    for _ in 0..len {
        let draw: f64 = StandardNormal.sample(&mut generator);
        values.push((draw * rms) as f32);
    }
    values
}

/// RMS of the residual stream that enters layer `position` (from 0).
///
/// The first layer sees the embedding. Further up, with y = LN(x) of RMS 1 and a sub-layer that adds
/// the variance v to it,
/// - `post` and both `deepnorm`s: `x = αy + f(y)`, so `√(α² + v)` at every depth;
/// - `pre`: every sub-layer adds v, so `√(σ² + 2 position · v)` with the embedding's σ;
/// - with a norm after a sub-layer (`sandwich`), that adds a normalised term, so v = 1.
///
/// Against a stack of layers this is within a few percent for Post-LN and within a factor of two for
/// the others (a test).
#[must_use]
pub fn residual_rms(config: &Config, position: usize) -> f64 {
    let model = &config.model;
    let embedding = model.embedding_std(config.tokenizer.vocab_size);
    if position == 0 {
        return embedding;
    }
    // Per layer.
    let added = match model.norm.row().residual {
        Residual::Norm { alpha } => {
            let alpha = alpha.at(model.layers);
            return (alpha * alpha + ffn_variance(config)).sqrt();
        }
        Residual::Stream { after: true, .. } => 2.0,
        // Attention averages values over many slots; what it adds is small beside the feed-forward.
        Residual::Stream { after: false, .. } => ffn_variance(config),
    };
    (embedding * embedding + position as f64 * added).sqrt()
}

/// Variance of the gated feed-forward's output for an input of RMS 1 at initialisation: each half of
/// the projection has variance `u = h σ²`; the product of a normal value and `GELU` of another has
/// variance `u E[GELU²]`; the down projection multiplies by `f σ²`. σ is Xavier's with gain β.
fn ffn_variance(config: &Config) -> f64 {
    let model = &config.model;
    let (h, f) = (model.hidden_size as f64, model.ffn_hidden_size as f64);
    let variance = model.gain().powi(2) * 2.0 / (h + f);
    let u = h * variance;
    u * gelu_square(u) * f * variance
}

/// `E[GELU(z)²]` for z normal with variance `u`, by the midpoint rule.
fn gelu_square(u: f64) -> f64 {
    const STEPS: i32 = 400;
    let width = 12.0 / f64::from(STEPS);
    let points = (0..STEPS).map(|i| -6.0 + width * (f64::from(i) + 0.5));
    let values = gelu(points.clone().map(|z| (z * u.sqrt()) as f32).collect());
    let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let terms = points.zip(values);
    terms
        .map(|(z, value)| f64::from(value).powi(2) * density(z) * width)
        .sum()
}

/// RMS of the loss's gradient at the output of a layer, at slots with a target, without loss scale.
///
/// At the logits a target's gradient is the softmax less the target, about 1/T for the target's own
/// logit with T targets; through the output matrix, of standard deviation σ, it is
/// σ/T per element; the final norm divides by the RMS of its input. Layers below leave it about as it
/// is: in a Post-LN stack each norm divides by what the residual weight α multiplies. What attention of
/// the layers above sends to slots without a target is left out.
#[must_use]
pub(super) fn gradient_rms(config: &Config, targets: usize) -> f64 {
    let embedding = config.model.embedding_std(config.tokenizer.vocab_size);
    let top = residual_rms(config, config.model.layers);
    embedding / targets as f64 / top
}
