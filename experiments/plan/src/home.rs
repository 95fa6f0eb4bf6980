//! What a trained model needs to answer: its weights in 16, 8 and 4 bits on a few cards of one machine.
//!
//! Every matrix is divided over the cards (tensor parallelism), and so are embedding, cache and scores. One sequence is
//! answered at a time. Weights in fewer bits are those of the four linear maps of a layer, with an FP16 scale for every
//! output row; all else is FP16 (`quantization/layers.py` of GLM-130B). The time of a token is the least that memory and
//! messages allow: a program reads every weight and the cache once, and adds up over the cards twice a layer.

mod machines;
mod text;

pub use machines::{Machine, PublishedTime};

use crate::PlanError;
use crate::communication::Connection;
use crate::glm_130b::is_glm_130b;
use crate::hardware::{Gpu, gpu};
use crate::model::Parameters;
use crate::size::bytes;
use experiments_config::Config;
use machines::{MACHINES, published_fit, published_times};
use serde::Serialize;

/// What CUDA, its libraries and NCCL hold on every card: assumed, of the size that such programs show.
const OVERHEAD_BYTES: u64 = 3 << 28;

/// Bytes of an FP16 number.
const HALF: f64 = 2.0;

/// Bits of a weight of the linear maps.
const BITS: [u8; 3] = [16, 8, 4];

/// A model on several machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Home {
    /// Slots of the sequence, all of which the cache holds.
    pub slots: u64,
    /// Every machine with weights of every width.
    pub rows: Vec<Row>,
}

/// Weights of one width on one machine; bytes are of one card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The machine.
    pub machine: Machine,
    /// What the card is called.
    pub title: String,
    /// Bits of a weight of the linear maps.
    pub bits: u8,
    /// Weights and scales.
    pub weight_bytes: u64,
    /// Keys and values of all slots, FP16.
    pub cache_bytes: u64,
    /// Most that is alive while the context is read, with one decoded matrix where weights are not FP16.
    pub activation_bytes: u64,
    /// Libraries; see the module.
    pub overhead_bytes: u64,
    /// What a card has.
    pub memory_bytes: u64,
    /// Whether all of it fits.
    pub fits: bool,
    /// Whether it was published to; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_to_fit: Option<bool>,
    /// Least seconds of a token, with half of the slots in the cache.
    pub least_seconds: f64,
    /// What programs took.
    pub published: Vec<PublishedTime>,
}

impl Row {
    /// All of it.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        self.weight_bytes + self.cache_bytes + self.activation_bytes + self.overhead_bytes
    }
}

/// What a model needs on the machines that GLM-130B was published for, and on cards of today. Published figures stand
/// beside those of GLM-130B alone.
pub fn home(config: &Config) -> Result<Home, PlanError> {
    let parameters = Parameters::of(config)?;
    let mut rows = Vec::new();
    for machine in MACHINES {
        for bits in BITS {
            rows.push(row(config, &parameters, machine, bits)?);
        }
    }
    Ok(Home {
        slots: config.model.seq_len as u64,
        rows,
    })
}

fn row(
    config: &Config,
    parameters: &Parameters,
    machine: Machine,
    bits: u8,
) -> Result<Row, PlanError> {
    let gpu = gpu(machine.gpu)?;
    let ranks = machine.gpus as f64;
    let weights = weight_bytes(config, parameters, bits, ranks);
    let cache = cache_bytes(config, ranks);
    let activations = activation_bytes(config, bits, ranks);
    let known = is_glm_130b(config);
    let mut row = Row {
        machine,
        title: gpu.title.clone(),
        bits,
        weight_bytes: bytes("weights", weights)?,
        cache_bytes: bytes("the cache", cache)?,
        activation_bytes: bytes("activations", activations)?,
        overhead_bytes: OVERHEAD_BYTES,
        memory_bytes: gpu.memory_bytes,
        fits: false,
        published_to_fit: known.then(|| published_fit(machine, bits)).flatten(),
        least_seconds: least_seconds(config, gpu, machine, weights + cache / 2.0),
        published: if known {
            published_times(machine, bits)
        } else {
            Vec::new()
        },
    };
    row.fits = row.needed_bytes() <= row.memory_bytes;
    Ok(row)
}

/// Parameters of the linear maps of all layers, and their outputs.
fn maps(config: &Config, parameters: &Parameters) -> [f64; 2] {
    let model = &config.model;
    let matrices = [
        parameters.qkv,
        parameters.attention_out,
        parameters.ffn_up,
        parameters.ffn_down,
    ];
    let weights: u64 = matrices.iter().map(|matrix| matrix.split).sum();
    let h = model.hidden_size;
    let outputs = h + model.kv_size() + model.ffn_up_size() + 2 * h;
    [weights, outputs as u64].map(|of_layer| of_layer as f64 * model.layers as f64)
}

/// Weights of one of `ranks` cards. A card has a scale for each output row it has a part of.
fn weight_bytes(config: &Config, parameters: &Parameters, bits: u8, ranks: f64) -> f64 {
    let [weights, outputs] = maps(config, parameters);
    let others = (parameters.total as f64 - weights).max(0.0);
    let scales = if bits < 16 { outputs * HALF } else { 0.0 };
    (weights * f64::from(bits) / 8.0 + others * HALF) / ranks + scales
}

/// Keys and values of one sequence.
fn cache_bytes(config: &Config, ranks: f64) -> f64 {
    let model = &config.model;
    let of_slot = model.kv_size() as f64 * model.layers as f64;
    HALF * of_slot * model.seq_len as f64 / ranks
}

/// Most that one layer or the logits keep alive while one sequence is read, in FP16: the residual stream and what is normed of it,
/// with query, key, value, scores and probabilities, or with what stands between the maps of the feed-forward.
fn activation_bytes(config: &Config, bits: u8, ranks: f64) -> f64 {
    let model = &config.model;
    let [s, h] = [model.seq_len, model.hidden_size].map(|n| n as f64);
    let qkv = s * (h + model.kv_size() as f64) / ranks;
    let scores = 2.0 * s * s * model.num_heads as f64 / ranks;
    let up = s * model.ffn_up_size() as f64 / ranks;
    let inner = s * model.ffn_hidden_size as f64 / ranks;
    let logits = s * config.tokenizer.vocab_size as f64 / ranks;
    let largest = (qkv + scores).max(up + inner).max(logits);
    let decoded = if bits < 16 {
        h * model.ffn_up_size() as f64 / ranks
    } else {
        0.0
    };
    HALF * (2.0 * s * h + largest + decoded)
}

/// Reading so many bytes, and adding up over the cards behind attention and feed-forward of every layer.
fn least_seconds(config: &Config, gpu: &Gpu, machine: Machine, read: f64) -> f64 {
    let model = &config.model;
    let stream = HALF * model.hidden_size as f64;
    let sum = Connection::in_node(gpu, machine.gpus).all_reduce(stream);
    read / gpu.memory_bandwidth + 2.0 * model.layers as f64 * sum.seconds
}

#[cfg(test)]
mod tests;
