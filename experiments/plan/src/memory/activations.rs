//! What one layer keeps of one micro-batch for its backward pass, tensor by tensor.
//!
//! With h width, s slots, b sequences, a heads, f inner width, t tensor-parallel ranks and 2 bytes
//! per element, a GPT layer (GELU, f = 4h, dropout) keeps `sbh (10 + 24/t + 5as/(ht))` bytes
//! (Korthikanti et al., arXiv 2205.05198 eq. 2); without the attention core, whose `5as/(ht)` is
//! what selective recomputation saves, `sbh (10 + 24/t)`; and only its input, `2sbh`, with full
//! recomputation. The list below gives the same sums and adds what they do not have: gated
//! feed-forward, sandwich norms, norms on query and key, no dropout, FP32. Norm statistics (8 bytes
//! per slot) and rotary tables are left out, as there.

use super::MemoryOptions;
use crate::{Layout, Recompute};
use experiments_config::{Config, Format};
use serde::Serialize;

/// A tensor that is kept for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tensor {
    /// What it is.
    pub name: &'static str,
    /// Bytes on one GPU.
    pub bytes: f64,
    /// Part of the attention core: between query-key product and value product.
    pub core: bool,
}

/// Bytes of one element of weights and activations.
pub(crate) fn element(format: Format) -> f64 {
    match format {
        Format::Fp32 => 4.0,
        Format::Fp16 | Format::Bf16 => 2.0,
    }
}

/// The sizes that activations are made of, as numbers of elements of one micro-batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Bytes of one element.
    pub(super) element: f64,
    /// Tensor-parallel ranks.
    pub(super) ranks: f64,
    /// `sb`.
    pub(super) slots: f64,
    /// `sbh`.
    pub(super) width: f64,
    /// `sb` times the rows of the first feed-forward matrix.
    pub(super) up: f64,
    /// `sbf`.
    pub(super) inner: f64,
    /// `as²b`.
    pub(super) scores: f64,
    /// `sbV`.
    pub(super) logits: f64,
    /// `s²b`.
    pub(super) square: f64,
}

impl Sizes {
    pub(super) fn of(config: &Config, layout: &Layout) -> Self {
        let model = &config.model;
        let slots = layout.slots(model.seq_len);
        let square = slots * model.seq_len as f64;
        Self {
            element: element(config.precision.format),
            ranks: layout.tensor_parallel.max(1) as f64,
            slots,
            width: slots * model.hidden_size as f64,
            up: slots * model.ffn_up_size() as f64,
            inner: slots * model.ffn_hidden_size as f64,
            scores: square * model.num_heads as f64,
            logits: slots * layout.vocabulary(config) as f64,
            square,
        }
    }

    /// Bytes of the residual stream, whole.
    pub(super) fn stream(&self) -> f64 {
        self.element * self.width
    }
}

/// Everything that one layer keeps of one micro-batch on one GPU when nothing is recomputed.
#[must_use]
pub fn layer_tensors(config: &Config, layout: &Layout) -> Vec<Tensor> {
    let model = &config.model;
    let sizes = Sizes::of(config, layout);
    let (e, t) = (sizes.element, sizes.ranks);
    // Held by every tensor-parallel rank unless the sequence is divided too.
    let whole = if layout.sequence_parallel { t } else { 1.0 };
    let stream = e * sizes.width;
    let norms = model.norm.per_layer() as f64;
    let mut tensors = Vec::with_capacity(16);
    let mut keep = |name, bytes: f64, core| tensors.push(Tensor { name, bytes, core });

    let key = e * sizes.slots * model.kv_size() as f64 / 2.0 / t;
    keep("inputs of the norms", norms * stream / whole, false);
    keep("input of QKV", stream / whole, false);
    if model.qk_norm {
        keep("query and key before their norms", stream / t + key, false);
    }
    // Rotation by fixed tables needs no input of its own for its gradient, so that only the
    // rotated query and key are kept, for their product. ALiBi adds a constant.
    keep("query and key", stream / t + key, false);
    if layout.flash_attention {
        // One FP32 number per query and head, from which the kernel computes the probabilities again.
        keep(
            "sums of the softmax",
            4.0 * sizes.slots * model.num_heads as f64 / t,
            true,
        );
    } else {
        // In the format of the pass: the fused kernel computes in FP32 and stores the result once.
        keep("attention probabilities", e * sizes.scores / t, true);
        if model.attention_dropout > 0.0 {
            keep("dropout mask of the probabilities", sizes.scores / t, true);
            keep("probabilities after dropout", e * sizes.scores / t, true);
        }
    }
    keep("value", key, false);
    keep("input of the attention output", stream / t, false);
    if model.dropout > 0.0 {
        keep("dropout mask of attention", sizes.width / whole, false);
    }
    keep("input of the feed-forward", stream / whole, false);
    // The activation's input; with a gate both halves, of which one goes through the function.
    keep("output of the first matrix", e * sizes.up / t, false);
    if model.is_gated() {
        // The product of the halves needs both factors: the plain half is a view of the tensor
        // above, the other is GELU's output.
        keep("GELU of the gate", e * sizes.inner / t, false);
    }
    keep("input of the second matrix", e * sizes.inner / t, false);
    if model.dropout > 0.0 {
        keep(
            "dropout mask of the feed-forward",
            sizes.width / whole,
            false,
        );
    }
    tensors
}

/// Bytes of one layer and one micro-batch on one GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerBytes {
    /// Kept from the forward to the backward pass.
    pub(super) kept: f64,
    /// More than that during the forward pass.
    pub(super) forward: f64,
    /// More than that during the backward pass: recomputed tensors, and gradients of activations.
    pub(super) backward: f64,
}

pub(super) fn layer_bytes(config: &Config, layout: &Layout, options: &MemoryOptions) -> LayerBytes {
    let sizes = Sizes::of(config, layout);
    let tensors = layer_tensors(config, layout);
    let all: f64 = tensors.iter().map(|tensor| tensor.bytes).sum();
    let core: f64 = tensors.iter().filter(|t| t.core).map(|t| t.bytes).sum();
    let (e, t) = (sizes.element, sizes.ranks);
    let input = if options.partition_checkpoints || layout.sequence_parallel {
        sizes.stream() / t
    } else {
        sizes.stream()
    };
    // The two moments at which a layer holds most that it does not keep: scores beside
    // probabilities, and the feed-forward's wide tensors. Gradients come in the same shapes.
    let attention = if layout.flash_attention {
        0.0
    } else {
        2.0 * e * sizes.scores / t
    };
    let feed_forward = e * (sizes.up + 2.0 * sizes.inner) / t;
    let moment = attention.max(feed_forward) + 2.0 * sizes.stream();
    let (kept, recomputed, forward) = match layout.recompute {
        Recompute::None => (all, 0.0, attention / 2.0 + sizes.stream()),
        Recompute::Selective => (all - core, core, core + attention / 2.0 + sizes.stream()),
        Recompute::Full => (input, all, moment),
    };
    LayerBytes {
        kept,
        forward,
        backward: recomputed + moment,
    }
}
