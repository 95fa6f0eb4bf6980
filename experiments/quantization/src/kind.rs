//! What a matrix does in a transformer, as far as its name tells.

use serde::Serialize;
use std::fmt;

/// What a matrix does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Queries, keys and values of attention, together or one of them.
    Qkv,
    /// The map behind attention, which GLM-130B calls dense.
    AttentionOut,
    /// The first map of the feed-forward, its gate too.
    FfnUp,
    /// The second map of the feed-forward, which GLM-130B calls w2.
    FfnDown,
    /// Vectors of tokens or positions: nothing is multiplied with the matrix as a whole, except where it is the head too.
    Embedding,
    /// All else, and what the name does not tell.
    Other,
}

impl Kind {
    /// All, in the order of a layer.
    pub const ALL: [Self; 6] = [
        Self::Qkv,
        Self::AttentionOut,
        Self::FfnUp,
        Self::FfnDown,
        Self::Embedding,
        Self::Other,
    ];

    /// As people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::AttentionOut => "attention out",
            Self::FfnUp => "ffn up",
            Self::FfnDown => "ffn down",
            Self::Embedding => "embedding",
            Self::Other => "other",
        }
    }

    /// Of the tensor of this name; where endings of several kinds fit, the longest one tells.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let name = name.strip_suffix(".weight").unwrap_or(name);
        let named = NAMED
            .iter()
            .flat_map(|(kind, endings)| endings.iter().map(move |ending| (*kind, *ending)));
        let fits = named.filter(|(_, ending)| {
            name.strip_suffix(ending)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        fits.max_by_key(|(_, ending)| ending.len())
            .map_or(Self::Other, |(kind, _)| kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How names end, without `.weight`: of this program, BERT, `DistilBERT`, GPT-2, GPT-NeoX and Megatron, Llama, T5, Whisper
/// (as `OpenAI` and Hugging Face have it) and PyTorch's own layers.
const NAMED: &[(Kind, &[&str])] = &[
    (
        Kind::Qkv,
        &[
            "query",
            "key",
            "value",
            "q_proj",
            "k_proj",
            "v_proj",
            "kv_proj",
            "qkv_proj",
            "qkv",
            "Wqkv",
            "q_lin",
            "k_lin",
            "v_lin",
            "c_attn",
            "query_key_value",
            "in_proj_weight",
            "SelfAttention.q",
            "SelfAttention.k",
            "SelfAttention.v",
            "EncDecAttention.q",
            "EncDecAttention.k",
            "EncDecAttention.v",
        ],
    ),
    (
        Kind::AttentionOut,
        &[
            "attention.output.dense",
            "attention.dense",
            "self_attention.dense",
            "self_attn.dense",
            "attn.c_proj",
            "attention.out",
            "attn.out",
            "cross_attn.out",
            "o_proj",
            "out_proj",
            "out_lin",
            "SelfAttention.o",
            "EncDecAttention.o",
        ],
    ),
    (
        Kind::FfnUp,
        &[
            "intermediate.dense",
            "c_fc",
            "gate_proj",
            "up_proj",
            "gate_up_proj",
            "fc1",
            "mlp.0",
            "dense_h_to_4h",
            "linear1",
            "lin1",
            "ffn.up",
            "DenseReluDense.wi",
            "DenseReluDense.wi_0",
            "DenseReluDense.wi_1",
        ],
    ),
    (
        Kind::FfnDown,
        &[
            "output.dense",
            "mlp.c_proj",
            "down_proj",
            "fc2",
            "mlp.2",
            "dense_4h_to_h",
            "linear2",
            "lin2",
            "ffn.down",
            "DenseReluDense.wo",
        ],
    ),
    (
        Kind::Embedding,
        &[
            "embedding",
            "position_embedding",
            "word_embeddings",
            "position_embeddings",
            "token_type_embeddings",
            "wte",
            "wpe",
            "embed_tokens",
            "embed_positions",
            "token_embedding",
            "positional_embedding",
            "embed_in",
            "shared",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_known_models_tell_the_kind() {
        use Kind::{AttentionOut, Embedding, FfnDown, FfnUp, Other, Qkv};
        for (name, kind) in [
            // BERT: three endings in `dense`, one inside the other.
            ("encoder.layer.3.attention.self.query.weight", Qkv),
            (
                "encoder.layer.3.attention.output.dense.weight",
                AttentionOut,
            ),
            ("encoder.layer.3.intermediate.dense.weight", FfnUp),
            ("encoder.layer.3.output.dense.weight", FfnDown),
            ("bert.embeddings.word_embeddings.weight", Embedding),
            ("pooler.dense.weight", Other),
            // GPT-2: two maps are called `c_proj`.
            ("transformer.h.0.attn.c_attn.weight", Qkv),
            ("transformer.h.0.attn.c_proj.weight", AttentionOut),
            ("h.0.mlp.c_fc.weight", FfnUp),
            ("h.0.mlp.c_proj.weight", FfnDown),
            ("wpe.weight", Embedding),
            // GPT-NeoX, Megatron, GLM.
            ("gpt_neox.layers.5.attention.query_key_value.weight", Qkv),
            ("gpt_neox.layers.5.attention.dense.weight", AttentionOut),
            ("gpt_neox.layers.5.mlp.dense_h_to_4h.weight", FfnUp),
            ("gpt_neox.layers.5.mlp.dense_4h_to_h.weight", FfnDown),
            // Llama.
            ("model.layers.0.self_attn.o_proj.weight", AttentionOut),
            ("model.layers.0.mlp.gate_proj.weight", FfnUp),
            ("model.layers.0.mlp.down_proj.weight", FfnDown),
            ("model.embed_tokens.weight", Embedding),
            ("lm_head.weight", Other),
            // Whisper, as OpenAI and as Hugging Face have it.
            ("decoder.blocks.1.cross_attn.key.weight", Qkv),
            ("decoder.blocks.1.cross_attn.out.weight", AttentionOut),
            ("decoder.blocks.1.mlp.0.weight", FfnUp),
            ("decoder.blocks.1.mlp.2.weight", FfnDown),
            ("decoder.positional_embedding", Embedding),
            (
                "model.decoder.layers.1.encoder_attn.out_proj.weight",
                AttentionOut,
            ),
            ("model.encoder.layers.1.fc2.weight", FfnDown),
            // This program's own.
            ("layers.0.attention.qkv.weight", Qkv),
            ("layers.0.attention.out.weight", AttentionOut),
            ("layers.0.ffn.up.weight", FfnUp),
            ("layers.0.ffn.down.weight", FfnDown),
            ("embedding.weight", Embedding),
            // An ending is of whole words.
            ("my_query.weight", Other),
            ("weight", Other),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn every_kind_that_a_name_can_tell_has_names() {
        for kind in Kind::ALL {
            let named = NAMED.iter().any(|(known, _)| *known == kind);
            assert_eq!(named, kind != Kind::Other, "{kind}");
        }
    }
}
