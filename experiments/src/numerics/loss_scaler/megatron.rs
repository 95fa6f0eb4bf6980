//! Megatron's scaler (megatron-core 0.16.1, `megatron/core/optimizer/grad_scaler.py`).

use super::{ScaleChange, as_fp32, double, lower};
use experiments_config::LossScaleConfig;
use serde::{Deserialize, Serialize};

/// `DynamicGradScaler` with growth factor 2 and backoff factor 0.5, as Megatron's arguments set
/// them; `config.window` is its `growth_interval`.
///
/// Its documentation speaks of `hysteresis` overflows "in a row", but the counter refills only when
/// the scale rises, so that the rule is `DeepSpeed`'s and both scales agree at every step, rounding
/// aside. Megatron holds scale and minimum in FP32, and an overflow at the minimum is no error: the
/// original halves, takes the larger of result and minimum, and the run goes on. That is the
/// [`ScaleChange::AtMinimum`] of this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Megatron {
    /// Clean steps since the last overflow or rise (`_growth_tracker`).
    clean_steps: u64,
    /// Overflows until one halves the scale, 0 once they do (`_hysteresis_tracker`, which counts on
    /// below 0).
    hysteresis_left: u32,
}

impl Megatron {
    pub(super) fn new(config: &LossScaleConfig) -> Self {
        Self {
            clean_steps: 0,
            hysteresis_left: config.overflows_to_fall(),
        }
    }

    pub(super) fn update(
        &mut self,
        scale: &mut f64,
        config: &LossScaleConfig,
        halvings: u32,
    ) -> ScaleChange {
        if halvings > 0 {
            self.clean_steps = 0;
            self.hysteresis_left = self.hysteresis_left.saturating_sub(1);
            return if self.hysteresis_left == 0 {
                lower(scale, halvings, as_fp32(config.min))
            } else {
                ScaleChange::None
            };
        }
        self.clean_steps += 1;
        if self.clean_steps < config.window {
            return ScaleChange::None;
        }
        self.clean_steps = 0;
        self.hysteresis_left = config.overflows_to_fall();
        double(scale)
    }
}
