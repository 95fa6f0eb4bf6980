//! From the residual stream to the losses of target slots and back.

use super::embedding::logit_shrink;
use super::gradients::GradientSlices;
use super::{Pass, store};
use crate::data::Targets;
use crate::numerics::precision::At;
use kernels::Pass::{Backward, Forward};
use kernels::fused::{
    Divisor, Norm, TokenGradients, TokenLosses, Vocabulary, gather_rows, scatter_rows,
};
use kernels::{Buffer, round_slice};

/// Final norm, projection to the vocabulary and cross-entropy, of the slots with a target only.
pub(super) struct Head<'a, 'b> {
    pass: &'b Pass<'a>,
    norm: Norm<'b>,
    vocabulary: Vocabulary<'b>,
    slots: Vec<usize>,
    tokens: Vec<usize>,
    weights: Vec<f32>,
}

/// Result of the forward pass.
pub(super) struct Last {
    /// Of what the final norm reads, with the layer-norm half of PB-Relax.
    divisor: Option<Divisor>,
    /// Output of the final norm, `[t, h]`.
    pub(super) normed: Buffer,
    pub(super) tokens: TokenLosses,
}

impl<'a, 'b> Head<'a, 'b> {
    pub(super) fn new(pass: &'b Pass<'a>) -> Self {
        let Targets {
            slots,
            tokens,
            weights,
        } = pass.batch.targets();
        let model = &pass.config.model;
        let index = |values: Vec<i64>| values.into_iter().map(|value| value as usize).collect();
        Self {
            pass,
            norm: pass.weights.norm("final_norm"),
            vocabulary: Vocabulary {
                weight: pass.weights.head(),
                width: model.hidden_size,
                logits: pass.precision.rounding(At::Logits, 0),
            },
            slots: index(slots),
            tokens: index(tokens),
            weights,
        }
    }

    /// Weight of every target in the loss, `[t]`.
    pub(super) fn weights(&self) -> impl Iterator<Item = f32> {
        self.weights.iter().copied()
    }

    /// The rows with a target, `[t, h]`.
    fn rows(&self, x: &[f32]) -> Buffer {
        let h = self.vocabulary.width;
        let mut rows = Buffer::new(self.slots.len() * h);
        gather_rows(&mut rows, x, &self.slots, h);
        rows
    }

    /// # Shapes
    /// - x: `[r, h]`
    pub(super) fn forward(&self, x: &[f32]) -> Last {
        let relax = self.pass.config.precision.pb_relax.norm;
        let divisor = relax.then(|| Divisor::new(x));
        let rows = match divisor {
            // All rows are stored, those without a target too.
            Some(divisor) => {
                let mut relaxed = Buffer::of(x);
                divisor.divide(&mut relaxed);
                store(self.pass.precision, At::FinalNorm, Forward, &mut relaxed);
                self.rows(&relaxed)
            }
            None => self.rows(x),
        };
        let mut normed = Buffer::new(rows.len());
        self.norm.forward(&mut normed, &rows);
        store(self.pass.precision, At::FinalNorm, Forward, &mut normed);
        let tokens = self.vocabulary.forward(&normed, &self.tokens);
        Last {
            divisor,
            normed,
            tokens,
        }
    }

    /// `coefficient · Σ w (log Z)²`
    pub(super) fn z_loss(&self, tokens: &TokenLosses, coefficient: f64) -> f64 {
        let terms = tokens.log_z.iter().zip(&self.weights);
        let sum: f64 = terms
            .map(|(z, w)| f64::from(*z).powi(2) * f64::from(*w))
            .sum();
        sum * coefficient
    }

    /// Gradients of the z-loss, from those of the losses.
    pub(super) fn z_gradients(tokens: &TokenLosses, coefficient: f64, own: &[f32]) -> Vec<f32> {
        let terms = tokens.log_z.iter().zip(own);
        terms
            .map(|(z, own)| 2.0 * z * coefficient as f32 * own)
            .collect()
    }

    /// The gradient of the residual stream, `[r, h]`.
    pub(super) fn backward(
        &self,
        x: &[f32],
        last: &mut Last,
        gradients: &TokenGradients,
        slices: &mut GradientSlices,
    ) -> Buffer {
        let (precision, h) = (self.pass.precision, self.vocabulary.width);
        let weight = slices.head();
        let Last {
            divisor,
            normed,
            tokens,
        } = last;
        let mut dy = self
            .vocabulary
            .backward(normed, &self.tokens, tokens, gradients, weight);
        store(precision, At::Head, Backward, weight);
        if let Some(alpha) = logit_shrink(&self.pass.config.egs) {
            for d in weight.iter_mut() {
                *d *= alpha;
            }
            store(precision, At::Head, Backward, weight);
        }
        store(precision, At::FinalNorm, Backward, &mut dy);
        let mut read = self.rows(x);
        if let Some(divisor) = divisor {
            divisor.divide(&mut read);
            if let Some(format) = precision.half() {
                round_slice(&mut read, format);
            }
        }
        let mut rows = Buffer::new(dy.len());
        self.norm
            .backward(&mut rows, &read, &dy, slices.norm("final_norm"));
        if let Some(divisor) = divisor {
            store(precision, At::FinalNorm, Backward, &mut rows);
            divisor.backward(&mut rows);
        }
        let mut d = Buffer::zeros(x.len());
        scatter_rows(&mut d, &rows, &self.slots, h);
        d
    }
}
