//! AdamW with decoupled weight decay on flat FP32 slices, as apex's `FusedAdam` computes it.

use crate::parameters::Parameter;
use experiments_config::OptimizerConfig;

/// First and second moments and the number of updates made.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamW {
    /// Moving average of gradients, in the layout of the parameters.
    pub first: Vec<f32>,
    /// Moving average of squared gradients.
    pub second: Vec<f32>,
    /// Updates made; skipped steps do not count.
    pub updates: u64,
}

/// Sums over one parameter, in f64.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UpdateReport {
    /// Sum of squares of the change to the weights, weight decay included.
    pub update_squared: f64,
    /// Sum of squares of the weights after the update.
    pub weight_squared: f64,
    /// Sum of `g² / max(v̂, ε²)` with bias-corrected v̂, of which `RMS_t` of `StableAdamW` is the root mean (arXiv
    /// 2304.13013 §3).
    pub surprise: f64,
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
    pub fn new(len: usize) -> Self {
        Self {
            first: vec![0.0; len],
            second: vec![0.0; len],
            updates: 0,
        }
    }

    /// Updates `weights` in place from unscaled gradients times `clip`:
    ///
    /// `m = β₁m + (1-β₁)g`, `v = β₂v + (1-β₂)g²`, `w -= lr (m̂ / (√v̂ + ε) + λw)`
    ///
    /// with bias-corrected m̂ and v̂ (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2). Where both
    /// moments are 0 the Adam part is 0 also with ε = 0. One report per parameter.
    pub fn update(
        &mut self,
        config: &OptimizerConfig,
        table: &[Parameter],
        weights: &mut [f32],
        gradients: &[f32],
        clip: f32,
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
            .map(|parameter| {
                let range = parameter.range.clone();
                update_slice(
                    step(parameter.decay),
                    clip,
                    &gradients[range.clone()],
                    &mut weights[range.clone()],
                    &mut self.first[range.clone()],
                    &mut self.second[range],
                )
            })
            .collect()
    }
}

/// Partial sums are kept in lanes, so that the compiler can use vector code without being allowed
/// to reorder one sum; the order is fixed, and with it the bits.
const LANES: usize = 8;

fn update_slice(
    step: Step,
    clip: f32,
    gradients: &[f32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) -> UpdateReport {
    let floor = step.eps * step.eps;
    let mut sums = [[0.0_f64; LANES]; 3];
    for (i, ((w, g), (m, v))) in weights
        .iter_mut()
        .zip(gradients)
        .zip(first.iter_mut().zip(second.iter_mut()))
        .enumerate()
    {
        let g = g * clip;
        *m = step.beta1 * *m + (1.0 - step.beta1) * g;
        *v = step.beta2 * *v + (1.0 - step.beta2) * (g * g);
        let denominator = (*v / step.correction2).sqrt() + step.eps;
        // The second moment may underflow where the first has not.
        let adam = if denominator == 0.0 || (*m == 0.0 && *v == 0.0) {
            0.0
        } else {
            *m / step.correction1 / denominator
        };
        let change = step.lr * (adam + step.decay * *w);
        *w -= change;
        let limit = (*v / step.correction2).max(floor);
        let surprise = if limit > 0.0 { g * g / limit } else { 0.0 };
        let lane = i % LANES;
        sums[0][lane] += f64::from(change) * f64::from(change);
        sums[1][lane] += f64::from(*w) * f64::from(*w);
        sums[2][lane] += f64::from(surprise);
    }
    let total = |lanes: &[f64; LANES]| lanes.iter().sum();
    UpdateReport {
        update_squared: total(&sums[0]),
        weight_squared: total(&sums[1]),
        surprise: total(&sums[2]),
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
                0.5,
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
            1.0,
            1e-2,
        );
        assert_eq!(parameters.values(), before);
    }

    #[test]
    fn sums_of_squares_match_a_plain_loop() {
        let values: Vec<f32> = (0..1003).map(|i| (i as f32 * 0.37).sin()).collect();
        let plain: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
        assert!((sum_of_squares(&values) - plain).abs() < 1e-9);
    }
}
