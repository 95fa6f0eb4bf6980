//! From token ids to the residual stream and back, with the embedding gradient shrink.

use super::gradients::GradientSlices;
use super::{Pass, store};
use crate::data::objective::Sample;
use crate::numerics::precision::At;
use crate::parameters::Parameters;
use experiments_config::{EgsConfig, EgsPath};
use kernels::Pass::{Backward, Forward};
use kernels::fused::{Norm, gather_rows, scatter_rows};
use kernels::{Buffer, round_slice};

/// `x = LN(E[token] + P[position])`; learned positions P and the norm are options.
pub(super) struct Embedding<'a, 'b> {
    pass: &'b Pass<'a>,
    tokens: Vec<usize>,
    /// With learned positions.
    positions: Option<Vec<usize>>,
    norm: Option<Norm<'b>>,
}

const POSITIONS: &str = "position_embedding.weight";

impl<'a, 'b> Embedding<'a, 'b> {
    pub(super) fn new(pass: &'b Pass<'a>) -> Self {
        let model = &pass.config.model;
        let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<usize> {
            let ids = pass.batch.samples.iter().flat_map(ids);
            ids.map(|id| *id as usize).collect()
        };
        Self {
            pass,
            tokens: flat(|sample| &sample.tokens),
            positions: (model.positions.row().is_learned).then(|| flat(|sample| &sample.positions)),
            norm: model
                .embedding_norm
                .then(|| pass.weights.norm("embedding_norm")),
        }
    }

    fn width(&self) -> usize {
        self.pass.config.model.hidden_size
    }

    /// Before the norm and before rounding, `[r, h]`. Without positions there is nothing to round.
    fn sum(&self) -> Buffer {
        let (weights, h) = (&self.pass.weights, self.width());
        let mut x = Buffer::new(self.tokens.len() * h);
        gather_rows(
            &mut x,
            weights.values(Parameters::EMBEDDING),
            &self.tokens,
            h,
        );
        if let Some(positions) = &self.positions {
            let mut p = Buffer::new(x.len());
            let table = weights.values(weights.find(POSITIONS));
            gather_rows(&mut p, table, positions, h);
            crate::pass::model::add(&mut x, &p);
        }
        x
    }

    /// `[r, h]`
    pub(super) fn forward(&self) -> Buffer {
        let mut x = self.sum();
        if self.positions.is_some() {
            store(self.pass.precision, At::Embedding, Forward, &mut x);
        }
        if let Some(norm) = &self.norm {
            let mut y = Buffer::new(x.len());
            norm.forward(&mut y, &x);
            store(self.pass.precision, At::EmbeddingNorm, Forward, &mut y);
            x = y;
        }
        if let Some(mask) = &self.pass.masks.embedding {
            mask.apply(0, &mut x);
            store(self.pass.precision, At::Embedding, Forward, &mut x);
        }
        x
    }

    /// From the gradient `[r, h]` of the residual stream to those of the parameters.
    pub(super) fn backward(&self, mut d: Buffer, slices: &mut GradientSlices) {
        let (precision, h) = (self.pass.precision, self.width());
        if let Some(mask) = &self.pass.masks.embedding {
            store(precision, At::Embedding, Backward, &mut d);
            mask.apply(0, &mut d);
        }
        if let Some(norm) = &self.norm {
            store(precision, At::EmbeddingNorm, Backward, &mut d);
            let mut dx = Buffer::new(d.len());
            // The sum is cheap to make again; its range losses have been counted.
            let mut x = self.sum();
            if let Some(format) = precision.half() {
                round_slice(&mut x, format);
            }
            norm.backward(&mut dx, &x, &d, slices.norm("embedding_norm"));
            d = dx;
        }
        if let Some(positions) = &self.positions {
            store(precision, At::Embedding, Backward, &mut d);
            scatter_rows(slices.one(POSITIONS), &d, positions, h);
        }
        store(precision, At::Embedding, Backward, &mut d);
        if let Some(alpha) = input_shrink(&self.pass.config.egs) {
            d.iter_mut().for_each(|d| *d *= alpha);
            store(precision, At::Embedding, Backward, &mut d);
        }
        scatter_rows(slices.one("embedding.weight"), &d, &self.tokens, h);
    }
}

/// The factor on gradients that reach the embedding by way of the tokens, where there is one
/// (2210.02414 §3).
fn input_shrink(egs: &EgsConfig) -> Option<f32> {
    match egs.path {
        EgsPath::Input | EgsPath::Both => factor(egs),
        EgsPath::Logit => None,
    }
}

/// The same by way of the logits.
pub(super) fn logit_shrink(egs: &EgsConfig) -> Option<f32> {
    match egs.path {
        EgsPath::Logit | EgsPath::Both => factor(egs),
        EgsPath::Input => None,
    }
}

fn factor(egs: &EgsConfig) -> Option<f32> {
    (egs.alpha != 1.0).then_some(egs.alpha as f32)
}
