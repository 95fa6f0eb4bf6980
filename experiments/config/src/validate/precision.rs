//! Number formats.

use super::Checks;
use crate::{Config, Format, LossScaleMode, PbRelaxMax, ScaleFall};

impl Config {
    pub(super) fn check_precision(&self, checks: &mut Checks) {
        let precision = &self.precision;
        for (value, key) in [
            (precision.softmax, "precision.softmax"),
            (precision.grad_accumulation, "precision.grad_accumulation"),
        ] {
            checks.require(
                value == Format::Fp32 || value == precision.format,
                key,
                "must be `fp32` or the same as `precision.format`",
            );
        }
        checks.require(
            !precision.query_key_layer_scaling || precision.softmax == Format::Fp32,
            "precision.query_key_layer_scaling",
            "needs `precision.softmax = \"fp32\"`: the factor returns inside the softmax",
        );
        let relax = &precision.pb_relax;
        checks.require(
            !precision.query_key_layer_scaling || relax.attention == PbRelaxMax::Off,
            "precision.pb_relax.attention",
            "must be `off` with `precision.query_key_layer_scaling`: both divide the scores",
        );
        checks.above_zero(relax.alpha, "precision.pb_relax.alpha");
        let scale = &precision.loss_scale;
        checks.above_zero(scale.initial, "precision.loss_scale.initial");
        checks.above_zero(scale.min, "precision.loss_scale.min");
        checks.require(
            scale.initial <= 2_f64.powi(60),
            "precision.loss_scale.initial",
            "must be at most 2^60",
        );
        checks.require(
            scale.initial >= scale.min,
            "precision.loss_scale.initial",
            "must not be below `precision.loss_scale.min`",
        );
        checks.require(
            scale.window > 0,
            "precision.loss_scale.window",
            "must be at least 1",
        );
        checks.require(
            scale.hysteresis > 0,
            "precision.loss_scale.hysteresis",
            "must be at least 1",
        );
        checks.require(
            scale.fall == ScaleFall::Halve || scale.mode != LossScaleMode::Static,
            "precision.loss_scale.fall",
            "must be `halve` with `precision.loss_scale.mode = \"static\"`: that scale never moves",
        );
    }
}
