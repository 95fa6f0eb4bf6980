//! `PyTorch`'s scaler (torch 2.9.1, `torch.amp.GradScaler` and its kernel `_amp_update_scale_`).

use super::{ScaleChange, as_fp32, double, halved};
use experiments_config::LossScaleConfig;
use serde::{Deserialize, Serialize};

/// `GradScaler` with growth factor 2 and backoff factor 0.5; `config.window` is its
/// `growth_interval`. Hysteresis and minimum of the configuration mean nothing here.
///
/// Every overflow halves the scale, in FP32 and without a floor, so that it ends at 0. It is
/// [`ScaleChange::AtMinimum`] when the halved scale lies below the smallest normal FP32 number,
/// 2^-126. From 2^-128 on its reciprocal, by which the gradient is unscaled, is infinite; the
/// original looks for infinities before it unscales, and would pass such a gradient on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pytorch {
    /// Clean steps since the last overflow or rise (`_growth_tracker`).
    clean_steps: u64,
}

impl Pytorch {
    pub(super) fn update(
        &mut self,
        scale: &mut f64,
        config: &LossScaleConfig,
        halvings: u32,
    ) -> ScaleChange {
        if halvings > 0 {
            self.clean_steps = 0;
            *scale = as_fp32(halved(*scale, halvings));
            return if *scale < f64::from(f32::MIN_POSITIVE) {
                ScaleChange::AtMinimum
            } else {
                ScaleChange::Lowered
            };
        }
        self.clean_steps += 1;
        if self.clean_steps < config.window {
            return ScaleChange::None;
        }
        self.clean_steps = 0;
        double(scale)
    }
}
