//! Gradient clipping: what the gradient is multiplied by before the optimizer sees it.
//!
//! Three rules from the literature behind one state, which belongs to the checkpoint. All of them
//! work on norms, in f64, and give coefficients; nothing here touches a gradient. A coefficient is
//! target over norm, so that the clipped norm is the target; the originals add 1e-6 to the norm.

mod adagc;
#[cfg(test)]
mod tests;
mod zclip;

use adagc::AdaGc;
use experiments_config::ClipMode;
use serde::{Deserialize, Serialize};
use zclip::ZClip;

/// Factors on the gradient, at most 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Clip {
    /// One for all tensors.
    Global(f64),
    /// One for each tensor, in the order of the norms.
    PerTensor(Vec<f64>),
}

impl Clip {
    /// The factor on tensor `index`; 1 for a tensor without a norm.
    #[must_use]
    pub(crate) fn of(&self, index: usize) -> f64 {
        match self {
            Self::Global(coefficient) => *coefficient,
            Self::PerTensor(coefficients) => coefficients.get(index).copied().unwrap_or(1.0),
        }
    }

    /// Norm of the clipped over norm of the unclipped gradient, one number to plot in every mode:
    /// `√(Σ (cᵢ nᵢ)² / Σ nᵢ²)`; 1 where there is no gradient.
    #[must_use]
    pub(crate) fn overall(&self, tensor_norms: &[f64]) -> f64 {
        let Self::PerTensor(coefficients) = self else {
            return self.of(0);
        };
        let squares = |norm: f64| norm * norm;
        let before: f64 = tensor_norms.iter().map(|n| squares(*n)).sum();
        let pairs = tensor_norms.iter().zip(coefficients);
        let after: f64 = pairs.map(|(n, c)| squares(n * c)).sum();
        if before > 0.0 {
            (after / before).sqrt()
        } else {
            1.0
        }
    }
}

/// The clipper's whole state; part of a checkpoint, as in `{"mode": "norm"}`.
///
/// The rule is chosen when the run starts and travels with the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Clipper {
    rule: Rule,
}

/// One rule with what it has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Rule {
    /// By the global norm alone.
    Norm,
    Zclip(ZClip),
    Adagc(AdaGc),
}

impl Clipper {
    /// A clipper that has seen nothing, for a model of so many tensors.
    #[must_use]
    pub(crate) fn new(mode: ClipMode, tensors: usize) -> Self {
        let rule = match mode {
            ClipMode::Norm => Rule::Norm,
            ClipMode::Zclip => Rule::Zclip(ZClip::default()),
            ClipMode::Adagc => Rule::Adagc(AdaGc::new(tensors)),
        };
        Self { rule }
    }

    /// The factors for a step with these unscaled norms; `limit` 0 means none.
    ///
    /// A step with a norm that is not finite gets the factor 1 and leaves no trace in the state: its
    /// update has to be skipped, not scaled.
    pub(crate) fn coefficients(
        &mut self,
        limit: f64,
        global_norm: f64,
        tensor_norms: &[f64],
    ) -> Clip {
        if !global_norm.is_finite() || !tensor_norms.iter().all(|n| n.is_finite()) {
            return Clip::Global(1.0);
        }
        match &mut self.rule {
            Rule::Norm => Clip::Global(shrink_to(limit, global_norm)),
            Rule::Zclip(zclip) => Clip::Global(zclip.coefficient(limit, global_norm)),
            Rule::Adagc(adagc) => adagc.coefficients(limit, global_norm, tensor_norms),
        }
    }
}

/// `limit / norm` where the norm is above the limit, else 1 (Pascanu et al., arXiv 1211.5063);
/// no limit where it is 0.
fn shrink_to(limit: f64, norm: f64) -> f64 {
    if limit > 0.0 && norm > limit {
        limit / norm
    } else {
        1.0
    }
}
