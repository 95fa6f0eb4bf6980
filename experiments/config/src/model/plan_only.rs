//! Parts of other models, which a plan counts and a run of this program cannot train yet.

use serde::{Deserialize, Serialize};
use words::named;

/// A feed-forward's activation as a plan sees it.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRow {
    /// `function(x₁) ⊙ x₂` with `[x₁, x₂] = x W_up`.
    pub is_gated: bool,
    /// Where it comes from.
    pub source: &'static str,
}

named! {
    /// An activation that only plans and hand-overs know.
    pub enum PlannedActivation: PlannedRow {
        /// `SiLU(x₁) ⊙ x₂`.
        Swiglu = "swiglu": PlannedRow { is_gated: true, source: "arXiv 2002.05202" },
        /// `max(x, 0)`.
        Relu = "relu": PlannedRow { is_gated: false, source: "OPT, arXiv 2205.01068 §2.1" },
        /// `max(x, 0)²`.
        SquaredRelu = "squared_relu": PlannedRow {
            is_gated: false,
            source: "arXiv 2109.08668; Nemotron-4, arXiv 2402.16819 §2",
        },
    }
}

/// What plans and hand-overs know and no run of this program can train yet.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanOnly {
    /// Heads of key and value, which groups of query heads share (arXiv 2305.13245); absent: as many as
    /// `num_heads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<usize>,
    /// The feed-forward's activation, instead of `ffn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<PlannedActivation>,
    /// RMS norms (arXiv 1910.07467), which have a weight and no bias, instead of layer norms.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rms_norm: bool,
}

impl PlanOnly {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        *self == Self::default()
    }

    /// The first key that is set.
    #[must_use]
    pub fn first_key(&self) -> Option<&'static str> {
        let set = [
            (self.kv_heads.is_some(), "model.plan_only.kv_heads"),
            (self.activation.is_some(), "model.plan_only.activation"),
            (self.rms_norm, "model.plan_only.rms_norm"),
        ];
        set.into_iter()
            .find(|(is_set, _)| *is_set)
            .map(|(_, key)| key)
    }
}
