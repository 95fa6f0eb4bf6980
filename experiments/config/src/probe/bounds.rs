//! Probes.

use crate::validate::Checks;
use crate::{Config, ProbeKind};

/// Beyond it the planted keys would leave FP16 before any score does.
const LARGEST_SCORE: f64 = 8_388_608.0;

/// Below it the planted keys would be FP16 subnormals and lose their bits.
const SMALLEST_SCORE: f64 = 1.0 / 32.0;

/// Element 0 carries ordinary scores, three more the bits of the largest.
const LEAST_HEAD: usize = 4;

impl Config {
    pub(crate) fn check_probe(&self, checks: &mut Checks) {
        let probe = &self.probe;
        let name = probe.kind.name();
        checks.require(
            (SMALLEST_SCORE..=LARGEST_SCORE).contains(&probe.score),
            "probe.score",
            format!(
                "is {}, must lie between {SMALLEST_SCORE} and {LARGEST_SCORE}: beyond, the queries and keys themselves leave FP16",
                probe.score
            ),
        );
        checks.require(
            probe.kind == ProbeKind::AttentionSoftmax || probe.score == 1.0,
            "probe.score",
            format!(
                "is {}, but `probe.kind = \"{name}\"` plants no scores",
                probe.score
            ),
        );
        checks.require(
            !probe.kind.is_single() || self.steps == 1,
            "steps",
            format!(
                "is {}, must be 1 with `probe.kind = \"{name}\"`, which measures once",
                self.steps
            ),
        );
        if probe.kind == ProbeKind::AttentionSoftmax {
            self.check_planted(checks);
        }
    }

    /// Scores are planted through q kᵀ/√d, which must be exact.
    fn check_planted(&self, checks: &mut Checks) {
        let model = &self.model;
        if model.num_heads == 0 || !model.hidden_size.is_multiple_of(model.num_heads) {
            return; // Complained about already.
        }
        let d = model.head_dim();
        checks.require(
            d >= LEAST_HEAD && d.is_power_of_two() && d.trailing_zeros().is_multiple_of(2),
            "model.hidden_size",
            format!(
                "gives heads of {d} dimensions; `probe.kind = \"attention_softmax\"` needs 4, 16, 64 or 256, so that the factor 1/√d rounds nothing"
            ),
        );
    }
}
