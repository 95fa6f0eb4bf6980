//! The pass on the CPU row by row: text that was read stays, and what follows it costs its own rows only.
//!
//! It computes what a whole pass does. PB-Relax divides by maxima of whole tensors, which a part of the rows does not know: it
//! takes those of the rows at hand, which changes roundings and no result in exact arithmetic.

#[cfg(test)]
mod tests;

use crate::data::Batch;
use crate::data::objective::{Kind, Sample, Segment};
use crate::layers::attention::host::kv_cache::KvCache;
use crate::layers::attention::host::slots::Slots;
use crate::layers::context::host::{Before, Context};
use crate::layers::embedding::host::Embedding;
use crate::layers::head::host::{Head, prepare};
use crate::layers::network::host::{forward_weights, sublayers};
use crate::layers::rows::Rows;
use crate::layers::weights::host::Weights;
use crate::numerics::dropout::Masks;
use crate::numerics::precision::Precision;
use crate::quantization::PackedMaps;
use experiments_config::Config;
use experiments_evaluation::{Model, Row};
use kernels::slices::ForwardWeight;
use std::sync::Arc;

/// A model that reads rows.
pub(crate) struct Incremental<'a> {
    config: &'a Config,
    precision: &'a Precision,
    weights: &'a Arc<Weights<'a>>,
    prepared: Vec<[ForwardWeight<'a>; 2]>,
    vocabulary: Vec<ForwardWeight<'a>>,
    cache: KvCache,
}

impl<'a> Incremental<'a> {
    /// `packed` are the linear maps that are multiplied as codes, which `weights` need not have.
    pub(crate) fn new(
        config: &'a Config,
        precision: &'a Precision,
        weights: &'a Arc<Weights<'a>>,
        packed: &'a PackedMaps,
    ) -> Self {
        let layers = 0..config.model.layers;
        Self {
            config,
            precision,
            weights,
            prepared: layers
                .flat_map(|layer| forward_weights(weights, packed, layer))
                .collect(),
            vocabulary: prepare(weights.head(), config.model.hidden_size),
            cache: KvCache::new(config.model.layers),
        }
    }
}

impl Model for Incremental<'_> {
    fn vocabulary(&self) -> usize {
        self.config.tokenizer.vocab_size
    }

    fn slots(&self) -> usize {
        self.config.model.seq_len
    }

    fn clear(&mut self) {
        self.cache = KvCache::new(self.config.model.layers);
    }

    fn read(&mut self, rows: &[Row]) -> Vec<f32> {
        if rows.is_empty() {
            return Vec::new();
        }
        self.cache.begin(rows);
        let batch = batch(rows);
        let half = self.precision.half();
        let context = Context {
            config: self.config,
            precision: self.precision,
            batch: &batch,
            weights: Arc::clone(self.weights),
            slots: Slots::new(&batch, &self.config.model, half),
            masks: Masks::default(),
            tensor: None,
            rows: None,
            before: Some(Before {
                cache: &self.cache,
                prepared: &self.prepared,
                vocabulary: &self.vocabulary,
            }),
        };
        rayon::scope(|_| logits(&context, rows.len()))
    }
}

/// Of the rows with a target, `[t, v]`.
fn logits(context: &Context, count: usize) -> Vec<f32> {
    let rows = Rows::new(count, count);
    let mut x = Embedding::new(context).forward();
    for sublayer in &sublayers(context, 0..context.config.model.layers) {
        x = sublayer.forward(&x, &rows, None).output;
    }
    let asks = context
        .batch
        .samples
        .iter()
        .any(|sample| sample.target_count() > 0);
    if asks {
        Head::new(context).forward(&x).tokens.logits()
    } else {
        Vec::new()
    }
}

/// Rows as one sequence of a batch; what they attend to, the cache knows.
fn batch(rows: &[Row]) -> Batch {
    let sample = Sample {
        // Of no matter: there is no loss.
        kind: Kind::Gpt,
        tokens: rows.iter().map(|row| row.token).collect(),
        positions: rows.iter().map(|row| row.position).collect(),
        block_positions: rows.iter().map(|row| row.block).collect(),
        targets: rows.iter().map(|row| row.asks.then_some(0)).collect(),
        segments: vec![Segment {
            start: 0,
            len: rows.len(),
            prefix: rows.len(),
        }],
    };
    Batch {
        samples: vec![sample],
        languages: vec![None],
    }
}
