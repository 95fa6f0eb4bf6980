//! On slices, forward and backward by hand.

use super::{NORM, POSITIONS, TOKENS, shrink_factor};
use crate::data::objective::Sample;
use crate::layers::context::host::Context;
use crate::layers::gradients::slices::GradientSlices;
use crate::numerics::precision::At;
use experiments_config::EgsPath;
use kernels::Buffer;
use kernels::Pass::{Backward, Forward};
use kernels::slices::Norm;
use kernels::slices::rows::{add, gather_rows, scale, scatter_rows};

/// The embedding of one batch.
pub(crate) struct Embedding<'a> {
    context: &'a Context<'a>,
    tokens: Vec<usize>,
    /// With learned positions.
    positions: Option<Vec<usize>>,
    norm: Option<Norm<'a>>,
}

impl<'a> Embedding<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Self {
        let model = &context.config.model;
        let flat = |ids: fn(&Sample) -> &Vec<u32>| -> Vec<usize> {
            let ids = context.batch.samples.iter().flat_map(ids);
            ids.map(|id| *id as usize).collect()
        };
        let is_learned = model.positions.row().is_learned;
        Self {
            context,
            tokens: flat(|sample| &sample.tokens),
            positions: is_learned.then(|| flat(|sample| &sample.positions)),
            norm: model.embedding_norm.then(|| context.weights.norm(NORM)),
        }
    }

    /// The row of a token in this rank's share of the table; none where another has it.
    fn own_row(&self, token: usize) -> Option<usize> {
        let all = self.context.config.tokenizer.vocab_size;
        let own = self
            .context
            .tensor
            .map_or(0..all, |ranks| ranks.own_part(all));
        own.contains(&token).then(|| token - own.start)
    }

    fn width(&self) -> usize {
        self.context.config.model.hidden_size
    }

    /// Before the norm and before rounding, `[r, h]`, of the own rows. Without positions there is nothing to round.
    fn sum(&self) -> Buffer {
        let (weights, h) = (&self.context.weights, self.width());
        let mut x = Buffer::new(self.tokens.len() * h);
        let table = weights.values(TOKENS);
        match self.context.tensor {
            None => gather_rows(&mut x, table, &self.tokens, h),
            // Every token is a row of one of the ranks, and nothing on the others.
            Some(ranks) => {
                for (row, token) in x.chunks_exact_mut(h).zip(&self.tokens) {
                    match self.own_row(*token) {
                        Some(own) => row.copy_from_slice(&table[own * h..(own + 1) * h]),
                        None => row.fill(0.0),
                    }
                }
                match &self.context.rows {
                    None => ranks.sum(&mut x),
                    Some(rows) => x = rows.sum(&x, h),
                }
            }
        }
        if let Some(positions) = &self.positions {
            let mut p = Buffer::new(x.len());
            let own = &positions[self.context.own_rows()];
            gather_rows(&mut p, weights.values(POSITIONS), own, h);
            add(&mut x, &p);
        }
        x
    }

    /// `[r, h]`, of the own rows.
    pub(crate) fn forward(&self) -> Buffer {
        let context = self.context;
        let mut x = self.sum();
        if self.positions.is_some() {
            context.store(At::Embedding, Forward, &mut x);
        }
        if let Some(norm) = &self.norm {
            let mut y = Buffer::new(x.len());
            norm.forward(&mut y, &x);
            context.store(At::EmbeddingNorm, Forward, &mut y);
            x = y;
        }
        if let Some(mask) = &context.masks.embedding {
            mask.apply(context.own_rows().start, &mut x);
            context.store(At::Embedding, Forward, &mut x);
        }
        x
    }

    /// From the gradient `[r, h]` of the residual stream, of the own rows, to those of the parameters.
    pub(crate) fn backward(&self, mut d: Buffer, slices: &mut GradientSlices) {
        let (context, h) = (self.context, self.width());
        if let Some(mask) = &context.masks.embedding {
            context.store(At::Embedding, Backward, &mut d);
            mask.apply(context.own_rows().start, &mut d);
        }
        if let Some(norm) = &self.norm {
            context.store(At::EmbeddingNorm, Backward, &mut d);
            let mut dx = Buffer::new(d.len());
            // The sum is cheap to make again; its range losses have been counted.
            let mut x = self.sum();
            context.store_again(At::Embedding, &mut x);
            norm.backward(&mut dx, &x, &d, slices.norm(NORM));
            d = dx;
        }
        if let Some(positions) = &self.positions {
            context.store(At::Embedding, Backward, &mut d);
            let own = &positions[context.own_rows()];
            scatter_rows(slices.one(POSITIONS), &d, own, h);
        }
        context.store(At::Embedding, Backward, &mut d);
        let alpha = shrink_factor(&context.config.egs, EgsPath::Input);
        if alpha != 1.0 {
            scale(&mut d, alpha);
            context.store(At::Embedding, Backward, &mut d);
        }
        if let Some(rows) = &context.rows {
            d = rows.gather(&d, h);
        }
        let table = slices.one(TOKENS);
        if context.tensor.is_none() {
            return scatter_rows(table, &d, &self.tokens, h);
        }
        for (row, token) in d.chunks_exact(h).zip(&self.tokens) {
            if let Some(own) = self.own_row(*token) {
                add(&mut table[own * h..(own + 1) * h], row);
            }
        }
    }
}
