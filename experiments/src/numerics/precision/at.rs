//! The rounding points of a pass.

/// A tensor that a half-precision program stores, in network order. The first five are outside
/// the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Embedding,
    EmbeddingNorm,
    FinalNorm,
    Head,
    Logits,
    AttentionNorm,
    Qkv,
    QueryNorm,
    KeyNorm,
    Query,
    Key,
    Scores,
    Softmax,
    Probabilities,
    Context,
    AttentionOut,
    AttentionOutNorm,
    AttentionSkip,
    AttentionSum,
    FfnNorm,
    Up,
    Gelu,
    Glu,
    Down,
    FfnOutNorm,
    FfnSkip,
    FfnSum,
}

impl At {
    pub(super) const OUTSIDE: [(Self, &'static str); 5] = [
        (Self::Embedding, "embedding"),
        (Self::EmbeddingNorm, "embedding_norm"),
        (Self::FinalNorm, "final_norm"),
        (Self::Head, "head.weight"),
        (Self::Logits, "logits"),
    ];

    pub(super) const INSIDE: [(Self, &'static str); 22] = [
        (Self::AttentionNorm, "attention_norm"),
        (Self::Qkv, "attention.qkv"),
        (Self::QueryNorm, "attention.query_norm"),
        (Self::KeyNorm, "attention.key_norm"),
        (Self::Query, "attention.query"),
        (Self::Key, "attention.key"),
        (Self::Scores, "attention.scores"),
        (Self::Softmax, "attention.softmax"),
        (Self::Probabilities, "attention.probabilities"),
        (Self::Context, "attention.context"),
        (Self::AttentionOut, "attention.out"),
        (Self::AttentionOutNorm, "attention_out_norm"),
        (Self::AttentionSkip, "attention.skip"),
        (Self::AttentionSum, "attention.sum"),
        (Self::FfnNorm, "ffn_norm"),
        (Self::Up, "ffn.up"),
        (Self::Gelu, "ffn.gelu"),
        (Self::Glu, "ffn.glu"),
        (Self::Down, "ffn.down"),
        (Self::FfnOutNorm, "ffn_out_norm"),
        (Self::FfnSkip, "ffn.skip"),
        (Self::FfnSum, "ffn.sum"),
    ];

    /// Whether every rank has a part of it where ranks share matrices; else all have all of it.
    pub(super) fn is_shared_out(self) -> bool {
        match self {
            Self::Logits
            | Self::Head
            | Self::Qkv
            | Self::QueryNorm
            | Self::KeyNorm
            | Self::Query
            | Self::Key
            | Self::Scores
            | Self::Softmax
            | Self::Probabilities
            | Self::Context
            | Self::Up
            | Self::Gelu
            | Self::Glu => true,
            Self::Embedding
            | Self::EmbeddingNorm
            | Self::FinalNorm
            | Self::AttentionNorm
            | Self::AttentionOut
            | Self::AttentionOutNorm
            | Self::AttentionSkip
            | Self::AttentionSum
            | Self::FfnNorm
            | Self::Down
            | Self::FfnOutNorm
            | Self::FfnSkip
            | Self::FfnSum => false,
        }
    }

    /// The tensor's name, for example `layers.3.attention.scores`.
    pub(crate) fn label(self, layer: usize) -> String {
        let index = self as usize;
        match index.checked_sub(Self::OUTSIDE.len()) {
            None => Self::OUTSIDE[index].1.to_owned(),
            Some(inside) => format!("layers.{layer}.{}", Self::INSIDE[inside].1),
        }
    }
}
