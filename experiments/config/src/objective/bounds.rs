//! Bounds of `[objective]`.

use crate::validate::Checks;
use crate::{Config, MaskPositions};

/// Fewest slots that hold a sub-sample with its special tokens.
const MIN_SLOTS: usize = 8;

impl Config {
    pub(crate) fn check_objective(&self, checks: &mut Checks) {
        let objective = &self.objective;
        checks.share(objective.gmask_ratio, "objective.gmask_ratio");
        checks.share(objective.min_gmask_ratio, "objective.min_gmask_ratio");
        checks.require(
            objective.mask_ratio > 0.0 && objective.mask_ratio <= 0.5,
            "objective.mask_ratio",
            format!(
                "is {}, must lie in (0, 0.5]",
                words::number(objective.mask_ratio)
            ),
        );
        checks.above_zero(objective.span_lambda, "objective.span_lambda");
        checks.positive(objective.max_span, "objective.max_span");
        checks.require(
            objective.span_lambda <= objective.max_span as f64,
            "objective.span_lambda",
            "must not exceed `objective.max_span`",
        );
        checks.require(
            objective.max_span <= 100_000,
            "objective.max_span",
            "must be at most 100000",
        );
        checks.share(objective.single_span_prob, "objective.single_span_prob");
        checks.share(objective.short_seq_prob, "objective.short_seq_prob");
        checks.require(
            objective.mask_positions == MaskPositions::Span || !self.model.positions.reads_spans(),
            "objective.mask_positions",
            format!(
                "must be `span` with `model.positions = \"{}\"`: its first id is the mask's",
                self.model.positions.name()
            ),
        );
        checks.at_least_zero(objective.z_loss, "objective.z_loss");
        checks.positive(objective.aggregated_samples, "objective.aggregated_samples");
        let (slots, parts) = (self.model.seq_len, objective.aggregated_samples);
        if parts > 0 && slots <= 1 << 22 {
            let fits = |n: usize| slots.is_multiple_of(n) && slots / n >= MIN_SLOTS;
            let near = (1..=slots)
                .filter(|n| fits(*n))
                .min_by_key(|n| n.abs_diff(parts));
            checks.require_or(
                fits(parts),
                "objective.aggregated_samples",
                format!(
                    "is {parts}, must divide `model.seq_len` = {slots} into parts of at least {MIN_SLOTS} slots"
                ),
                near.map(|n| format!("nearest that fits: {n}")),
            );
        }
    }
}
