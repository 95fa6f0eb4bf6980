//! AdamW with decoupled weight decay on flat FP32 slices, as apex's `FusedAdam` computes it.

use crate::array::Array;
use crate::parameters::{Parameter, Role};
use experiments_config::OptimizerConfig;
use kernels::slices::{self, Moments, UpdateSums};
use rayon::prelude::*;

pub(crate) use kernels::slices::sum_of_squares;

/// First and second moments and the number of updates made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdamW {
    /// Moving average of gradients, in the layout of the parameters.
    pub(crate) first: Array,
    /// Moving average of squared gradients.
    pub(crate) second: Array,
    /// Updates made; skipped steps do not count.
    pub(crate) updates: u64,
}

/// Sums over one parameter. `surprise` is what `RMS_t` of `StableAdamW` is the root mean of (arXiv
/// 2304.13013 §3).
pub(crate) type UpdateReport = UpdateSums;

/// What an update takes beside gradient and state.
#[derive(Clone, Copy)]
pub(crate) struct UpdateRule<'a> {
    pub(crate) config: &'a OptimizerConfig,
    /// Learning rate.
    pub(crate) lr: f64,
    /// Factor on the gradient of every parameter.
    pub(crate) clips: &'a [f32],
}

impl UpdateRule<'_> {
    /// The learning rate of a parameter.
    fn rate(&self, parameter: &Parameter) -> f64 {
        match parameter.role {
            Role::Embedding => self.lr * self.config.embedding_lr_scale,
            Role::Position | Role::Head | Role::Attention | Role::Ffn | Role::Norm => self.lr,
        }
    }
}

/// Elements of flat gradients and weights that a thread takes at a time.
pub(crate) const PIECE: usize = 1 << 15;

impl AdamW {
    /// Moments at zero.
    #[must_use]
    pub(crate) fn new(len: usize) -> Self {
        Self {
            first: vec![0.0; len].into(),
            second: vec![0.0; len].into(),
            updates: 0,
        }
    }

    /// Has the moments on the host, and nowhere else.
    pub(crate) fn bring_home(&mut self) {
        for moment in [&mut self.first, &mut self.second] {
            // Whoever may write has the only copy.
            let _: &mut [f32] = moment;
        }
    }

    /// Scales the moments so that what is left of them after the correction of their bias stays, where the decay changes on the
    /// way: they are sums that begin at 0, and `1 - β^t` of another β is not what they lack.
    pub(crate) fn with_decay(&mut self, before: &OptimizerConfig, now: &OptimizerConfig) {
        let lacks = |beta: f64| 1.0 - beta.powi(i32::try_from(self.updates).unwrap_or(i32::MAX));
        let scale = |moments: &mut [f32], before: f64, now: f64| {
            if before.to_bits() != now.to_bits() && lacks(before) > 0.0 {
                let factor = (lacks(now) / lacks(before)) as f32;
                for moment in moments {
                    *moment *= factor;
                }
            }
        };
        scale(&mut self.first, before.beta1, now.beta1);
        scale(&mut self.second, before.beta2, now.beta2);
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
        table: &[Parameter],
        weights: &mut [f32],
        gradients: &[f32],
        rule: UpdateRule,
    ) -> Vec<UpdateReport> {
        let UpdateRule { config, clips, .. } = rule;
        self.updates += 1;
        let steps = self.constants(table, rule);
        let state = Moments {
            weights,
            first: &mut self.first,
            second: &mut self.second,
        };
        let mut pieces = Vec::new();
        let mut rest = (state, gradients);
        for (index, parameter) in table.iter().enumerate() {
            let (own, after) = split(rest, parameter.range.len());
            rest = after;
            let step = steps[index];
            // The rate of update clipping depends on the whole parameter.
            let size = if config.update_clipping {
                usize::MAX
            } else {
                PIECE
            };
            cut(own, size, &mut |(state, gradients)| {
                pieces.push((index, step, state, gradients));
            });
        }
        let sums: Vec<(usize, UpdateReport)> = pieces
            .into_par_iter()
            .map(|(index, mut step, state, gradients)| {
                let clip = clips[index];
                if !config.update_clipping {
                    return (index, step.update(clip, gradients, state));
                }
                let surprise = step.moments(clip, gradients, state.first, state.second);
                let rms = (surprise / gradients.len() as f64).sqrt();
                step.lr = (rule.rate(&table[index]) / rms.max(1.0)) as f32;
                let [update_squared, weight_squared] =
                    step.apply(state.weights, state.first, state.second);
                let sums = UpdateReport {
                    surprise,
                    update_squared,
                    weight_squared,
                };
                (index, sums)
            })
            .collect();
        let mut reports = vec![UpdateReport::default(); table.len()];
        for (index, sum) in sums {
            reports[index] += sum;
        }
        reports
    }

    /// Constants of every parameter in the update that was counted last.
    pub(crate) fn constants(&self, table: &[Parameter], rule: UpdateRule) -> Vec<slices::AdamW> {
        let (config, power) = (rule.config, self.updates as i32);
        let step = |parameter: &Parameter| slices::AdamW {
            lr: rule.rate(parameter) as f32,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            eps: config.eps as f32,
            decay: if parameter.decay {
                config.weight_decay as f32
            } else {
                0.0
            },
            correction1: (1.0 - config.beta1.powi(power)) as f32,
            correction2: (1.0 - config.beta2.powi(power)) as f32,
        };
        table.iter().map(step).collect()
    }
}

/// A stretch of the optimiser's state and its gradients.
type Stretch<'a> = (Moments<'a>, &'a [f32]);

fn split((state, gradients): Stretch<'_>, at: usize) -> (Stretch<'_>, Stretch<'_>) {
    let (weights, weights_rest) = state.weights.split_at_mut(at);
    let (first, first_rest) = state.first.split_at_mut(at);
    let (second, second_rest) = state.second.split_at_mut(at);
    let (gradients, gradients_rest) = gradients.split_at(at);
    let moments = |weights, first, second| Moments {
        weights,
        first,
        second,
    };
    (
        (moments(weights, first, second), gradients),
        (
            moments(weights_rest, first_rest, second_rest),
            gradients_rest,
        ),
    )
}

/// Hands over a stretch in pieces of `size` elements.
fn cut<'a>(mut stretch: Stretch<'a>, size: usize, take: &mut impl FnMut(Stretch<'a>)) {
    while stretch.1.len() > size {
        let (piece, rest) = split(stretch, size);
        take(piece);
        stretch = rest;
    }
    take(stretch);
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

    fn rule<'a>(config: &'a OptimizerConfig, clips: &'a [f32]) -> UpdateRule<'a> {
        let lr = 1e-2;
        UpdateRule { config, lr, clips }
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
            let values = parameters.values_mut();
            let clips = vec![0.5; table.len()];
            adam.update(&table, values, &gradients, rule(&config, &clips));
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
        let clips = vec![1.0; table.len()];
        let values = parameters.values_mut();
        AdamW::new(before.len()).update(&table, values, &zeros, rule(&config, &clips));
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
                reports = adam.update(&table, values, &gradients, rule(&config, &clips));
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
