//! From token ids to the residual stream: `x = LN(E[token] + P[position])`. Learned positions P and the norm are
//! options that GLM-130B does not take. The embedding gradient shrink belongs here, and to the head.

pub(crate) mod graph;
pub(crate) mod host;
#[cfg(test)]
mod tests;

use experiments_config::{EgsConfig, EgsPath};

/// The table of tokens, the table of positions, and the norm.
pub(crate) const TOKENS: &str = "embedding.weight";
const POSITIONS: &str = "position_embedding.weight";
const NORM: &str = "embedding_norm";

/// The factor on gradients that reach the word embedding by way of the tokens or of the logits (2210.02414 §3); 1
/// where `path` is not shrunk.
pub(crate) fn shrink_factor(egs: &EgsConfig, path: EgsPath) -> f32 {
    if egs.path == path || egs.path == EgsPath::Both {
        egs.alpha as f32
    } else {
        1.0
    }
}
