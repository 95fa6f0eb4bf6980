//! What keeps stored scores small: query-key layer scaling and PB-Relax.

use experiments_config::{PbRelaxMax, PrecisionConfig};

/// How one layer scales its scores. In exact arithmetic every choice gives the same probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ScoreScale {
    /// What stored scores lack: L with query-key layer scaling (the 1-based layer number, by which the query is
    /// divided and the scores are multiplied inside the softmax), α with PB-Relax (by which the key is divided, returned
    /// after the maximum is gone), else 1.
    pub(crate) missing: f64,
    /// The maximum that PB-Relax subtracts, over forbidden scores too (`CogView`, arXiv 2105.13290 §2.4).
    pub(crate) relax: PbRelaxMax,
}

impl ScoreScale {
    pub(crate) fn new(precision: &PrecisionConfig, layer: usize) -> Self {
        let relax = precision.pb_relax.attention;
        let missing = if precision.query_key_layer_scaling {
            (layer + 1) as f64
        } else if relax == PbRelaxMax::Off {
            1.0
        } else {
            precision.pb_relax.alpha
        };
        Self { missing, relax }
    }

    /// Whether scores become `(x - max) α` before anything else, the key being divided by α.
    pub(crate) fn relaxes(self) -> bool {
        self.relax != PbRelaxMax::Off
    }

    /// What the query is divided by beside `√d`, and what the softmax multiplies scores by.
    pub(crate) fn in_softmax(self) -> f64 {
        if self.relaxes() { 1.0 } else { self.missing }
    }
}
