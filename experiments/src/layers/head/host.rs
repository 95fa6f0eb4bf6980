//! On slices, forward and backward by hand; with the cross-entropy, since logits are used up where they arise.

use super::NORM;
use super::vocabulary::Vocabulary;
use crate::data::Targets;
use crate::layers::context::host::Context;
use crate::layers::embedding::shrink_factor;
use crate::layers::gradients::slices::GradientSlices;
use crate::layers::norm::Divisor;
use crate::numerics::precision::At;
use crate::ranks::RowShares;
use experiments_config::EgsPath;
use kernels::Buffer;
use kernels::Pass::{Backward, Forward};
use kernels::slices::Norm;
use kernels::slices::rows::{gather_rows, scale, scatter_rows};

pub(crate) use super::vocabulary::{TokenGradients, TokenLosses, prepare};

/// Final norm, projection to the vocabulary and cross-entropy, of the slots with a target only.
pub(crate) struct Head<'a> {
    context: &'a Context<'a>,
    norm: Norm<'a>,
    vocabulary: Vocabulary<'a>,
    /// Rows with a target, of the own rows, counted from the first of these.
    slots: Vec<usize>,
    /// Whose they are, where ranks have each some of them.
    shares: Option<RowShares<'a>>,
    tokens: Vec<usize>,
    weights: Vec<f32>,
}

/// Result of the forward pass.
pub(crate) struct Last {
    /// Of what the final norm reads, with the layer-norm half of PB-Relax.
    divisor: Option<Divisor>,
    /// Output of the final norm, `[t, h]`.
    pub(crate) normed: Buffer,
    pub(crate) tokens: TokenLosses,
}

impl<'a> Head<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Self {
        let Targets {
            slots,
            tokens,
            weights,
        } = context.batch.targets();
        let index =
            |values: Vec<i64>| -> Vec<usize> { values.into_iter().map(|v| v as usize).collect() };
        let (slots, own) = (index(slots), context.own_rows());
        let shares = context.rows.as_ref().map(|rows| rows.among(&slots));
        let of_rank = slots.iter().filter(|slot| own.contains(slot));
        Self {
            context,
            norm: context.weights.norm(NORM),
            vocabulary: Vocabulary {
                weight: context.weights.head(),
                width: context.config.model.hidden_size,
                logits: context.precision.rounding(At::Logits, 0),
                tensor: context.tensor,
                first: (context.tensor).map_or(0, |ranks| {
                    ranks.own_part(context.config.tokenizer.vocab_size).start
                }),
                prepared: context.before.map(|before| before.vocabulary),
            },
            slots: of_rank.map(|slot| slot - own.start).collect(),
            shares,
            tokens: index(tokens),
            weights,
        }
    }

    /// Weight of every target in the loss, `[t]`.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f32> {
        self.weights.iter().copied()
    }

    /// The own rows with a target, `[t, h]`.
    fn rows(&self, x: &[f32]) -> Buffer {
        let h = self.vocabulary.width;
        let mut rows = Buffer::new(self.slots.len() * h);
        gather_rows(&mut rows, x, &self.slots, h);
        rows
    }

    /// # Shapes
    /// - x: `[r, h]`
    pub(crate) fn forward(&self, x: &[f32]) -> Last {
        let relax = self.context.config.precision.pb_relax.norm;
        let divisor = relax.then(|| Divisor::new(x));
        let rows = match divisor {
            // All rows are stored, those without a target too.
            Some(divisor) => {
                let mut relaxed = Buffer::of(x);
                divisor.divide(&mut relaxed);
                self.context.store(At::FinalNorm, Forward, &mut relaxed);
                self.rows(&relaxed)
            }
            None => self.rows(x),
        };
        let mut normed = Buffer::new(rows.len());
        self.norm.forward(&mut normed, &rows);
        self.context.store(At::FinalNorm, Forward, &mut normed);
        if let Some(shares) = &self.shares {
            normed = shares.gather(&normed, self.vocabulary.width);
        }
        let tokens = self.vocabulary.forward(&normed, &self.tokens);
        Last {
            divisor,
            normed,
            tokens,
        }
    }

    /// `coefficient · Σ w (log Z)²`
    pub(crate) fn z_loss(&self, tokens: &TokenLosses, coefficient: f64) -> f64 {
        let terms = tokens.log_z.iter().zip(&self.weights);
        let sum: f64 = terms
            .map(|(z, w)| f64::from(*z).powi(2) * f64::from(*w))
            .sum();
        sum * coefficient
    }

    /// Gradients of the z-loss, from those of the losses.
    pub(crate) fn z_gradients(tokens: &TokenLosses, coefficient: f64, own: &[f32]) -> Vec<f32> {
        let terms = tokens.log_z.iter().zip(own);
        terms
            .map(|(z, own)| 2.0 * z * coefficient as f32 * own)
            .collect()
    }

    /// The gradient of the residual stream, `[r, h]`.
    pub(crate) fn backward(
        &self,
        x: &[f32],
        last: &mut Last,
        gradients: &TokenGradients,
        slices: &mut GradientSlices,
    ) -> Buffer {
        let (context, h) = (self.context, self.vocabulary.width);
        let weight = slices.head();
        let Last {
            divisor,
            normed,
            tokens,
        } = last;
        let mut dy = self
            .vocabulary
            .backward(normed, &self.tokens, tokens, gradients, weight);
        match (&self.shares, context.tensor) {
            (Some(shares), _) => dy = shares.sum(&dy, h),
            (None, Some(ranks)) => ranks.sum(&mut dy),
            (None, None) => {}
        }
        context.store(At::Head, Backward, weight);
        let alpha = shrink_factor(&context.config.egs, EgsPath::Logit);
        if alpha != 1.0 {
            scale(weight, alpha);
            context.store(At::Head, Backward, weight);
        }
        context.store(At::FinalNorm, Backward, &mut dy);
        let mut read = self.rows(x);
        if let Some(divisor) = divisor {
            divisor.divide(&mut read);
            context.store_again(At::FinalNorm, &mut read);
        }
        let mut rows = Buffer::new(dy.len());
        self.norm.backward(&mut rows, &read, &dy, slices.norm(NORM));
        if let Some(divisor) = divisor {
            context.store(At::FinalNorm, Backward, &mut rows);
            divisor.backward(&mut rows);
        }
        let mut d = Buffer::zeros(x.len());
        scatter_rows(&mut d, &rows, &self.slots, h);
        d
    }
}
