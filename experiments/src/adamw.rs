//! AdamW with decoupled weight decay on flat FP32 slices, as apex's `FusedAdam` computes it.

use crate::parameters::Parameter;
use experiments_config::OptimizerConfig;

/// First and second moments and the number of updates made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdamW {
    /// Moving average of gradients, in the layout of the parameters.
    pub(crate) first: Vec<f32>,
    /// Moving average of squared gradients.
    pub(crate) second: Vec<f32>,
    /// Updates made; skipped steps do not count.
    pub(crate) updates: u64,
}

/// Sums over one parameter, in f64.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct UpdateReport {
    /// Sum of squares of the change to the weights, weight decay included.
    pub(crate) update_squared: f64,
    /// Sum of squares of the weights after the update.
    pub(crate) weight_squared: f64,
    /// Sum of `g² / max(v̂, ε²)` with bias-corrected v̂, of which `RMS_t` of `StableAdamW` is the root mean (arXiv
    /// 2304.13013 §3).
    pub(crate) surprise: f64,
}

/// What one update needs beside the moments.
#[derive(Debug, Clone, Copy)]
struct Step {
    lr: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    decay: f32,
    correction1: f32,
    correction2: f32,
}

impl AdamW {
    /// Moments at zero.
    #[must_use]
    pub(crate) fn new(len: usize) -> Self {
        Self {
            first: vec![0.0; len],
            second: vec![0.0; len],
            updates: 0,
        }
    }

    /// Updates `weights` in place from unscaled gradients times `clips`:
    ///
    /// `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `w -= lr (m̂ / (√v̂ + ε) + λw)`
    ///
    /// with bias-corrected m̂ and v̂ (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2). Where both
    /// moments are 0 the Adam part is 0 also with ε = 0. With `update_clipping` the lr of a parameter
    /// is divided by `max(1, RMS_t)` (`StableAdamW`, arXiv 2304.13013 algorithm 2). `clips` holds one
    /// factor per parameter, and so does what is returned.
    pub(crate) fn update(
        &mut self,
        config: &OptimizerConfig,
        table: &[Parameter],
        weights: &mut [f32],
        gradients: &[f32],
        clips: &[f32],
        lr: f64,
    ) -> Vec<UpdateReport> {
        self.updates += 1;
        let power = self.updates as i32;
        let step = |decay: bool| Step {
            lr: lr as f32,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            eps: config.eps as f32,
            decay: if decay {
                config.weight_decay as f32
            } else {
                0.0
            },
            correction1: (1.0 - config.beta1.powi(power)) as f32,
            correction2: (1.0 - config.beta2.powi(power)) as f32,
        };
        table
            .iter()
            .zip(clips)
            .map(|(parameter, clip)| {
                let range = parameter.range.clone();
                let mut step = step(parameter.decay);
                let (first, second) = (
                    &mut self.first[range.clone()],
                    &mut self.second[range.clone()],
                );
                let surprise = step.moments(*clip, &gradients[range.clone()], first, second);
                if config.update_clipping {
                    let rms = (surprise / range.len() as f64).sqrt();
                    step.lr = (lr / rms.max(1.0)) as f32;
                }
                let (update_squared, weight_squared) =
                    step.apply(&mut weights[range], first, second);
                UpdateReport {
                    update_squared,
                    weight_squared,
                    surprise,
                }
            })
            .collect()
    }
}

/// Partial sums are kept in lanes, so that the compiler can use vector code without being allowed
/// to reorder one sum; the order is fixed, and with it the bits.
const LANES: usize = 8;

impl Step {
    /// Takes the gradient into both moments; returns the sum of `g² / max(v̂, ε²)`.
    fn moments(&self, clip: f32, gradients: &[f32], first: &mut [f32], second: &mut [f32]) -> f64 {
        let floor = self.eps * self.eps;
        let mut sums = [0.0_f64; LANES];
        let moments = first.iter_mut().zip(second.iter_mut());
        for (i, (g, (m, v))) in gradients.iter().zip(moments).enumerate() {
            let g = g * clip;
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * (g * g);
            let limit = (*v / self.correction2).max(floor);
            let surprise = if limit > 0.0 { g * g / limit } else { 0.0 };
            sums[i % LANES] += f64::from(surprise);
        }
        sums.iter().sum()
    }

    /// Moves the weights; returns the sums of squares of the change and of the weights after it.
    fn apply(&self, weights: &mut [f32], first: &[f32], second: &[f32]) -> (f64, f64) {
        let mut sums = [[0.0_f64; LANES]; 2];
        for (i, (w, (m, v))) in weights.iter_mut().zip(first.iter().zip(second)).enumerate() {
            let denominator = (*v / self.correction2).sqrt() + self.eps;
            // The second moment may underflow where the first has not.
            let adam = if denominator == 0.0 || (*m == 0.0 && *v == 0.0) {
                0.0
            } else {
                *m / self.correction1 / denominator
            };
            let change = self.lr * (adam + self.decay * *w);
            *w -= change;
            sums[0][i % LANES] += f64::from(change) * f64::from(change);
            sums[1][i % LANES] += f64::from(*w) * f64::from(*w);
        }
        (sums[0].iter().sum(), sums[1].iter().sum())
    }
}

/// Sum of squares in f64, with the same fixed order.
#[must_use]
pub(crate) fn sum_of_squares(values: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in chunks.by_ref() {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*value) * f64::from(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f64::from(*value) * f64::from(*value);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;
    use experiments_config::ModelConfig;

    fn small() -> Parameters {
        let model = ModelConfig {
            layers: 1,
            hidden_size: 8,
            ffn_hidden_size: 8,
            ..ModelConfig::default()
        };
        Parameters::initialise(&model, 16, 3)
    }

    #[test]
    fn three_steps_agree_with_the_formula_in_f64() {
        let mut parameters = small();
        let table = parameters.table().to_vec();
        let config = OptimizerConfig::default();
        let mut adam = AdamW::new(parameters.len());
        let mut weight: Vec<f64> = parameters.values().iter().map(|v| f64::from(*v)).collect();
        let (mut m, mut v) = (vec![0.0_f64; weight.len()], vec![0.0_f64; weight.len()]);
        for t in 1..=3 {
            let gradients: Vec<f32> = (0..weight.len())
                .map(|i| ((i * t) as f32).sin() * 0.1)
                .collect();
            adam.update(
                &config,
                &table,
                parameters.values_mut(),
                &gradients,
                &vec![0.5; table.len()],
                1e-2,
            );
            for p in &table {
                for i in p.range.clone() {
                    let g = f64::from(gradients[i]) * 0.5;
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.95 * v[i] + 0.05 * g * g;
                    let mhat = m[i] / (1.0 - 0.9_f64.powi(t as i32));
                    let vhat = v[i] / (1.0 - 0.95_f64.powi(t as i32));
                    let decay = if p.decay { 0.1 } else { 0.0 };
                    weight[i] -= 1e-2 * (mhat / (vhat.sqrt() + 1e-8) + decay * weight[i]);
                }
            }
        }
        for (ours, exact) in parameters.values().iter().zip(&weight) {
            assert!((f64::from(*ours) - exact).abs() < 1e-6, "{ours} {exact}");
        }
    }

    #[test]
    fn no_gradient_means_no_adam_update_even_without_epsilon() {
        let mut parameters = small();
        let before = parameters.values().to_vec();
        let config = OptimizerConfig {
            eps: 0.0,
            weight_decay: 0.0,
            ..OptimizerConfig::default()
        };
        let zeros = vec![0.0; before.len()];
        let table = parameters.table().to_vec();
        AdamW::new(before.len()).update(
            &config,
            &table,
            parameters.values_mut(),
            &zeros,
            &vec![1.0; table.len()],
            1e-2,
        );
        assert_eq!(parameters.values(), before);
    }

    #[test]
    fn update_clipping_divides_the_rate_by_the_rms_of_a_surprising_gradient() {
        let moved = |update_clipping| {
            let mut parameters = small();
            let before = parameters.values().to_vec();
            let table = parameters.table().to_vec();
            let config = OptimizerConfig {
                update_clipping,
                weight_decay: 0.0,
                ..OptimizerConfig::default()
            };
            let mut adam = AdamW::new(before.len());
            let clips = vec![1.0; table.len()];
            let mut reports = Vec::new();
            // Three calm steps, then a gradient ten times as large.
            for size in [0.1, 0.1, 0.1, 1.0] {
                let gradients = vec![size; before.len()];
                let values = parameters.values_mut();
                reports = adam.update(&config, &table, values, &gradients, &clips, 1e-2);
            }
            reports[0]
        };
        let (plain, stable) = (moved(false), moved(true));
        let len = 16.0 * 8.0;
        let rms = (plain.surprise / len).sqrt();
        assert!(rms > 1.5, "{rms}");
        assert_eq!(plain.surprise, stable.surprise);
        let ratio = (plain.update_squared / stable.update_squared).sqrt();
        assert!((ratio / rms - 1.0).abs() < 1e-4, "{ratio} against {rms}");
    }

    #[test]
    fn sums_of_squares_match_a_plain_loop() {
        let values: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let plain: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        assert!((sum_of_squares(&values) - plain).abs() < 1e-9);
    }
}
