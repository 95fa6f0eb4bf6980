//! What a model makes of held-out text with other weights.

use crate::data::last_word::normaliser;
use crate::data::{Batch, held_out};
use crate::parameters::Parameters;
use crate::quantization::{Calibrations, calibrate};
use crate::trainer::Training;
use experiments_text::Split;
use serde::Serialize;

/// Losses over the fixed held-out batches of `eval.batches`, in nats per target token, and how far predictions moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// With the FP32 master weights.
    pub fp32_loss: Option<f64>,
    /// With the weights in FP16: what quantization is compared with.
    pub fp16_loss: Option<f64>,
    /// With what is in the file.
    pub loss: Option<f64>,
    /// Mean over the targets of the Kullback-Leibler divergence of the file's predictions from those in FP16, in nats.
    pub kl: Option<f64>,
}

impl Quality {
    /// The change of the loss as a share of that in FP16.
    #[must_use]
    pub fn change(&self) -> Option<f64> {
        Some(self.loss? / self.fp16_loss? - 1.0)
    }
}

/// Passes over the held-out batches of a run.
pub(super) struct Judge<'a> {
    training: &'a Training<'a>,
    batches: Vec<Batch>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(training: &'a Training<'a>) -> Self {
        let sampler = training.sampler(training.config, Split::HeldOut);
        Self {
            training,
            batches: held_out(&sampler).collect(),
        }
    }

    /// What the maps of the model read in so many slots of the text that the run trains on, which has nothing of what
    /// judges it.
    pub(super) fn calibrate(&self, weights: &Parameters, slots: usize) -> Calibrations {
        let config = self.training.config;
        let sampler = self.training.sampler(config, Split::Train);
        calibrate(&self.training.setting(config), &sampler, weights, slots)
    }

    /// Of master weights, of those in FP16, and of what stands in for them.
    pub(super) fn compare(
        &self,
        weights: &Parameters,
        half: &Parameters,
        stand_in: &Parameters,
    ) -> Quality {
        Quality {
            fp32_loss: self.loss(weights),
            fp16_loss: self.loss(half),
            loss: self.loss(stand_in),
            kl: self.divergence(half, stand_in),
        }
    }

    fn loss(&self, parameters: &Parameters) -> Option<f64> {
        let setting = self.training.setting(self.training.config);
        setting.losses(parameters, &self.batches).all.value()
    }

    fn divergence(&self, from: &Parameters, to: &Parameters) -> Option<f64> {
        let setting = self.training.setting(self.training.config);
        let (mut sum, mut count) = (0.0, 0);
        for batch in &self.batches {
            let logits = |parameters| setting.engine.logits(setting.run(parameters, batch));
            let targets = batch.targets().tokens.len();
            let (from, to) = (logits(from), logits(to));
            let vocabulary = from.len() / targets.max(1);
            let both = from
                .chunks_exact(vocabulary.max(1))
                .zip(to.chunks_exact(vocabulary.max(1)));
            sum += both
                .map(|(from, to)| kullback_leibler(from, to))
                .sum::<f64>();
            count += targets;
        }
        (count > 0).then(|| sum / count as f64)
    }
}

/// Σ p (ln p − ln q) of two rows of logits, in nats.
fn kullback_leibler(p: &[f32], q: &[f32]) -> f64 {
    let log_probabilities = |logits: &[f32]| -> Vec<f64> {
        let (largest, log_sum) = normaliser(logits);
        let of = |x: &f32| f64::from(x - largest) - log_sum;
        logits.iter().map(of).collect()
    };
    let both = log_probabilities(p).into_iter().zip(log_probabilities(q));
    let terms = both.map(|(log_p, log_q)| log_p.exp() * (log_p - log_q));
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_that_of_two_coins() {
        // A fair coin, and one that falls on one side in nine of ten: 0.5 ln(0.5/0.9) + 0.5 ln(0.5/0.1).
        let found = kullback_leibler(&[3.0, 3.0], &[9.0_f32.ln() + 1.0, 1.0]);
        let expected = 0.5 * (0.5_f64 / 0.9).ln() + 0.5 * 5.0_f64.ln();
        assert!((found - expected).abs() < 1e-6, "{found}");
        assert_eq!(
            kullback_leibler(&[1.0, -2.0, 300.0], &[1.0, -2.0, 300.0]),
            0.0
        );
    }
}
