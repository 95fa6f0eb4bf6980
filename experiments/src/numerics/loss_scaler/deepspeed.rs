//! `DeepSpeed`'s scaler (0.6.7, `deepspeed/runtime/fp16/loss_scaler.py`), the one of GLM-130B.

use super::{ScaleChange, double, lower};
use experiments_config::LossScaleConfig;
use serde::{Deserialize, Serialize};

/// `DynamicLossScaler` with `consecutive_hysteresis` false; `config.hysteresis` is its
/// `delayed_shift`.
///
/// On an overflow the first hits only consume hysteresis, the others halve the scale. The counter
/// refills when the scale rises, not on a single clean step: with a window of 1000, two overflows
/// 900 steps apart halve the scale, and so does every later one until a window passes without any.
/// The scale doubles when the steps since the last overflow are a multiple of the window.
///
/// Where the original raises "already at minimum" and ends the run, this returns
/// [`ScaleChange::AtMinimum`] and goes on as the original does with `raise_error_at_min_scale`
/// false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Deepspeed {
    hysteresis_left: u32,
    /// Steps seen and the last step with an overflow, counted from 0; -1 before the first.
    step: i64,
    last_overflow: i64,
}

impl Deepspeed {
    pub(super) fn new(config: &LossScaleConfig) -> Self {
        Self {
            hysteresis_left: config.hysteresis,
            step: 0,
            last_overflow: -1,
        }
    }

    pub(super) fn update(
        &mut self,
        scale: &mut f64,
        config: &LossScaleConfig,
        halvings: u32,
    ) -> ScaleChange {
        let change = if halvings > 0 {
            self.last_overflow = self.step;
            if config.overflows_to_fall() > 1 && self.hysteresis_left > 1 {
                self.hysteresis_left -= 1;
                ScaleChange::None
            } else {
                lower(scale, halvings, config.min)
            }
        } else if (self.step - self.last_overflow) % config.window.max(1) as i64 == 0 {
            self.hysteresis_left = config.hysteresis;
            double(scale)
        } else {
            ScaleChange::None
        };
        self.step += 1;
        change
    }
}
