//! The residual connection around a branch, attention or feed-forward, in any of the norm arrangements
//! ([`experiments_config::Residual`]).

pub(crate) mod graph;
pub(crate) mod host;
#[cfg(test)]
mod tests;

use crate::numerics::precision::At;

/// One half of a layer: its names, and the tensors around its branch.
pub(crate) struct Half {
    /// Of the branch's parameters, `attention`; norms are called after it.
    pub(crate) name: &'static str,
    /// Of its linear maps.
    pub(crate) linears: [&'static str; 2],
    pub(crate) norm: At,
    pub(crate) out_norm: At,
    pub(crate) skip: At,
    pub(crate) sum: At,
    /// Outputs of the first linear map, and of the second and with it the branch.
    pub(crate) first: At,
    pub(crate) out: At,
}

pub(crate) static ATTENTION: Half = Half {
    name: "attention",
    linears: ["qkv", "out"],
    norm: At::AttentionNorm,
    out_norm: At::AttentionOutNorm,
    skip: At::AttentionSkip,
    sum: At::AttentionSum,
    first: At::Qkv,
    out: At::AttentionOut,
};

pub(crate) static FEED_FORWARD: Half = Half {
    name: "ffn",
    linears: ["up", "down"],
    norm: At::FfnNorm,
    out_norm: At::FfnOutNorm,
    skip: At::FfnSkip,
    sum: At::FfnSum,
    first: At::Up,
    out: At::Down,
};
