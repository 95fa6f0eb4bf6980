//! An estimate of the trainer's memory on the CPU.
//!
//! The trainer holds FP32 weights and both moments (12 bytes a parameter). A pass through the graph holds its
//! leaves (4 more; 8 for tied embeddings, which are two leaves), everything that the backward pass
//! needs, and finally the gradients twice; two moments compete for the peak, the start of the backward
//! pass, when all activations are there, and its end, when the gradients are. A pass by hand holds what
//! its sub-layers keep, and its buffers stay in a pool. The constants were fitted to what an
//! allocator counted: of the graph over 34 shapes, within 7 %; of passes by hand over four; a test
//! checks both to 10 % (`experiments/tests/memory.rs`).

use crate::layers::attention::host::tiles::tile_rows;
use crate::layers::rows::{GROUPS, ROWS};
use experiments_config::{Config, Format, ObjectiveMode};

/// FP32 numbers kept per slot and layer, as multiples of the width h.
const PER_WIDTH: f64 = 10.0;
/// As multiples of the feed-forward's inner width f.
const PER_FFN: f64 = 4.0;
/// As multiples of heads · slots: scores, probabilities and what softmax keeps.
const PER_SCORE: f64 = 3.0;
/// Per target, as multiples of the vocabulary: logits, log-probabilities, gradient.
const PER_LOGIT: f64 = 3.0;
/// Bytes a parameter at the start and at the end of the backward pass.
const AT_START: f64 = 20.0;
const AT_END: f64 = 28.0;
/// The same for tied embeddings.
const TIED_AT_START: f64 = 28.0;
const TIED_AT_END: f64 = 38.0;
/// Text, tokenizer, records.
const REST: f64 = 1.3e6;
/// Passes by hand: FP32 numbers per slot for the sub-layer at work, as multiples of the width h; and of
/// the slots that go through its backward pass at a time.
const PER_SUBLAYER: f64 = 3.0;
const PER_BACKWARD: f64 = 4.0;
/// Groups that have threads at one time.
const AT_ONCE: f64 = 2.0;
/// Numbers per parameter: weights, two moments, gradients.
const COPIES: f64 = 4.0;
/// The same with a format of 16 bits, which adds rounded weights.
const COPIES_HALF: f64 = 4.6;
/// Of a checkpoint that is being written, when a pass's masks are gone.
const CHECKPOINT: f64 = 2.4;
/// Tiles of scores at work.
const SCORE_TILES: f64 = 4.0;

/// Targets of a sequence of `seq_len` slots, on average.
fn targets(config: &Config) -> f64 {
    let (objective, slots) = (&config.objective, config.model.seq_len as f64);
    if objective.mode == ObjectiveMode::Gpt {
        return slots;
    }
    let generated = f64::midpoint(objective.min_gmask_ratio, 1.0) * slots;
    // Every span of about three tokens adds one target, its eop.
    let filled = objective.mask_ratio * 4.0 / 3.0 * slots;
    objective.gmask_ratio * generated + (1.0 - objective.gmask_ratio) * filled
}

/// Most bytes that training allocates at one time.
#[must_use]
pub fn training_bytes(config: &Config) -> u64 {
    let bytes = if config.fuses() {
        fused(config)
    } else {
        plain(config)
    };
    (bytes + REST) as u64
}

/// Passes by hand. Their buffers are pooled, so that everything that is needed at some time stays: what a
/// sub-layer keeps (its input, query, key, value, context, the feed-forward's first product), what the
/// backward pass of a sub-layer needs, the logits, and the gradients once.
fn fused(config: &Config) -> f64 {
    let (model, vocab) = (&config.model, config.tokenizer.vocab_size);
    let slots = config.batch.micro_batch as f64 * model.seq_len as f64;
    let (h, f) = (model.hidden_size as f64, model.ffn_hidden_size as f64);
    let up = model.ffn.row().inputs() as f64 * f;
    // A norm after a sub-layer keeps what that gave.
    let kept = if model.norm.is_after() { 8.0 } else { 6.0 };
    // Query and key from before their norms.
    let raw = if model.qk_norm { 2.0 } else { 0.0 };
    let layers = model.layers as f64 * ((kept + raw) * h + up);
    // A group goes through the backward pass piece after piece, a sequence at least.
    let piece = (ROWS as f64).max(model.seq_len as f64).min(slots);
    let groups = (slots / piece).ceil().min(GROUPS as f64);
    let backward = groups.min(AT_ONCE) * piece * (PER_BACKWARD * h + up.max(3.0 * h) + f);
    let sublayer = slots * PER_SUBLAYER * h + backward;
    // Weights laid out for products, and each group's sums for their gradients but the first's.
    let weights = groups * (4.0 * h * h + (up + f) * h);
    let tile_rows = tile_rows(config.precision.pb_relax.attention, model.seq_len);
    let scores = SCORE_TILES * tile_rows as f64 * model.seq_len as f64;
    let logits = config.batch.micro_batch as f64 * targets(config) * vocab as f64;
    let parameters = model.parameter_count(vocab) as f64;
    let copies = if config.precision.format == Format::Fp32 {
        COPIES
    } else {
        COPIES_HALF
    };
    // With tied embeddings both paths beside their sum.
    let heads = if model.tie_embeddings { 2.0 } else { 0.0 };
    let embedding = vocab as f64 * h;
    4.0 * (slots * layers
        + sublayer
        + weights
        + scores
        + logits
        + copies * parameters
        + masks(config).max(CHECKPOINT * parameters)
        + heads * embedding)
}

/// Dropout masks of passes by hand, in FP32 numbers: a bit for each element.
fn masks(config: &Config) -> f64 {
    let model = &config.model;
    let slots = config.batch.micro_batch as f64 * model.seq_len as f64;
    let layers = model.layers as f64;
    let words = |width: usize| width.div_ceil(16) as f64 * 0.5;
    let (residual, scores) = (
        slots * words(model.hidden_size) * (2.0 * layers + 1.0),
        slots * words(model.seq_len) * layers * model.num_heads as f64,
    );
    let on = |p: f64| f64::from(u8::from(p > 0.0));
    on(model.dropout) * residual + on(model.attention_dropout) * scores
}

/// Passes through the autodiff graph.
fn plain(config: &Config) -> f64 {
    let (model, vocab) = (&config.model, config.tokenizer.vocab_size);
    let slots = config.batch.micro_batch as f64 * model.seq_len as f64;
    let (h, f) = (model.hidden_size as f64, model.ffn_hidden_size as f64);
    let scores = model.num_heads as f64 * model.seq_len as f64;
    let layer = PER_WIDTH * h + PER_FFN * f + PER_SCORE * scores;
    let logits = config.batch.micro_batch as f64 * targets(config) * vocab as f64;
    let activations = 4.0 * (slots * model.layers as f64 * layer + PER_LOGIT * logits);
    let embedding = vocab as f64 * h;
    let tied = if model.tie_embeddings { embedding } else { 0.0 };
    let own = model.parameter_count(vocab) as f64 - tied;
    let start = AT_START * own + TIED_AT_START * tied + activations;
    let end = AT_END * own + TIED_AT_END * tied;
    start.max(end)
}
