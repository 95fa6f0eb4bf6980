//! What a run does: train, or measure something that needs no training.

mod bounds;

use serde::{Deserialize, Serialize};
use words::named;

named! {
    /// What a run measures. All kinds leave the same run directory.
    #[derive(Default)]
    pub enum ProbeKind {
        /// Nothing apart: the run trains.
        #[default]
        Train = "train",
        /// How far one sign step of `optimizer.lr` on the weights of the blocks moves the logits, at
        /// initialisation (`DeepNet`, arXiv 2203.00555 §4).
        UpdateLaw = "update_law",
        /// Training beside a twin without embedding gradient shrink, and how far the two drift apart.
        EgsTwin = "egs_twin",
        /// Attention softmax of planted scores, forward and backward, against FP64. No model.
        AttentionSoftmax = "attention_softmax",
    }
}

impl ProbeKind {
    /// Whether the probe measures once, so that its run has one step.
    #[must_use]
    pub fn is_single(self) -> bool {
        matches!(self, Self::UpdateLaw | Self::AttentionSoftmax)
    }
}

/// What a run measures instead of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// `train`, `update_law`, `egs_twin` or `attention_softmax`.
    pub kind: ProbeKind,
    /// Largest magnitude of the planted attention scores; for `attention_softmax` only.
    pub score: f64,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            kind: ProbeKind::Train,
            score: 1.0,
        }
    }
}

impl ProbeConfig {
    /// Whether the section can be left out. A run that trains is written as before there were probes,
    /// and keeps its hash.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, load_preset, resolve};

    /// Hashes name runs, and a sweep continues only with the hashes it began with.
    #[test]
    fn what_is_left_at_its_default_is_not_written() {
        let text = load_preset("t0", &[]).unwrap().to_toml();
        for key in ["[probe]", "qk_gain", "last_word", "quantized"] {
            assert!(!text.contains(key), "{key} in\n{text}");
        }
    }

    #[test]
    fn a_probe_is_written_read_back_and_hashed() {
        let plain = load_preset("t0", &[]).unwrap();
        let set = [
            "probe.kind=egs_twin",
            "model.init.qk_gain=2.0",
            "eval.last_word=8",
            "eval.quantized=true",
        ];
        for set in set {
            let config = load_preset("t0", &[set.parse().unwrap()]).unwrap();
            let table = toml::from_str(&config.to_toml()).unwrap();
            assert_eq!(resolve(table, &[], "test").unwrap(), config);
            assert_ne!(config.hash(), plain.hash(), "{set}");
        }
    }

    #[test]
    fn names_are_those_of_the_file() {
        for kind in [
            ProbeKind::Train,
            ProbeKind::UpdateLaw,
            ProbeKind::EgsTwin,
            ProbeKind::AttentionSoftmax,
        ] {
            let text = format!("kind = \"{}\"", kind.name());
            let probe: ProbeConfig = toml::from_str(&text).unwrap();
            assert_eq!(probe.kind, kind);
        }
        assert_eq!(Config::default().probe.kind, ProbeKind::Train);
    }
}
