//! Dynamic loss scaling as `DeepSpeed` 0.6 does it (`deepspeed/runtime/fp16/loss_scaler.py`).

use experiments_config::{LossScaleConfig, LossScaleMode};
use serde::{Deserialize, Serialize};

/// What an update did to the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleChange {
    /// Nothing, or only the hysteresis counter moved.
    None,
    /// Doubled after a clean window.
    Raised,
    /// Halved by an overflow.
    Lowered,
    /// An overflow asked for less than the minimum.
    AtMinimum,
}

/// The scaler's whole state; part of a checkpoint.
///
/// On an overflow the first hit only consumes hysteresis, the next halve the scale. The counter
/// refills when the scale rises, not after a single clean step, so two overflows 100 steps apart
/// do halve it. The scale doubles when `window` steps have passed since the last overflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossScaler {
    /// Current factor on the loss; 1 when scaling is off.
    pub scale: f64,
    hysteresis_left: u32,
    /// Steps seen and the last step with an overflow, counted from 0; -1 before the first.
    step: i64,
    last_overflow: i64,
}

impl LossScaler {
    /// A fresh scaler.
    #[must_use]
    pub fn new(config: &LossScaleConfig) -> Self {
        Self {
            scale: config.initial,
            hysteresis_left: config.hysteresis,
            step: 0,
            last_overflow: -1,
        }
    }

    /// A scaler that stays at 1, for formats with the range of FP32.
    #[must_use]
    pub fn off() -> Self {
        Self {
            scale: 1.0,
            hysteresis_left: 1,
            step: 0,
            last_overflow: -1,
        }
    }

    /// Takes note of one step.
    pub fn update(&mut self, config: &LossScaleConfig, overflow: bool) -> ScaleChange {
        if config.mode == LossScaleMode::Static {
            return ScaleChange::None;
        }
        let change = if overflow {
            self.overflow(config)
        } else {
            self.clean(config)
        };
        self.step += 1;
        change
    }

    fn overflow(&mut self, config: &LossScaleConfig) -> ScaleChange {
        self.last_overflow = self.step;
        if config.hysteresis > 1 && self.hysteresis_left > 1 {
            self.hysteresis_left -= 1;
            return ScaleChange::None;
        }
        if self.scale <= config.min {
            return ScaleChange::AtMinimum;
        }
        self.scale = (self.scale / 2.0).max(config.min);
        ScaleChange::Lowered
    }

    fn clean(&mut self, config: &LossScaleConfig) -> ScaleChange {
        if (self.step - self.last_overflow) % config.window as i64 != 0 {
            return ScaleChange::None;
        }
        self.hysteresis_left = config.hysteresis;
        self.scale *= 2.0;
        ScaleChange::Raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(window: u64, hysteresis: u32) -> LossScaleConfig {
        LossScaleConfig {
            initial: 16.0,
            window,
            hysteresis,
            min: 1.0,
            ..LossScaleConfig::default()
        }
    }

    /// Scales after each step, `!` marking overflows.
    fn trace(config: &LossScaleConfig, steps: &str) -> Vec<f64> {
        let mut scaler = LossScaler::new(config);
        let mut after = |overflow| {
            scaler.update(config, overflow);
            scaler.scale
        };
        steps.chars().map(|c| after(c == '!')).collect()
    }

    #[test]
    fn the_first_overflow_only_consumes_hysteresis() {
        assert_eq!(trace(&config(100, 2), "!!!"), [16.0, 8.0, 4.0]);
        assert_eq!(trace(&config(100, 1), "!!"), [8.0, 4.0]);
    }

    #[test]
    fn hysteresis_does_not_refill_on_a_clean_step() {
        assert_eq!(
            trace(&config(100, 2), "!..!.!"),
            [16.0, 16.0, 16.0, 8.0, 8.0, 4.0]
        );
    }

    #[test]
    fn a_clean_window_doubles_the_scale_and_refills_hysteresis() {
        // The window counts from the last overflow; before the first it counts from step -1.
        assert_eq!(
            trace(&config(3, 2), "....."),
            [16.0, 16.0, 32.0, 32.0, 32.0]
        );
        let after = trace(&config(3, 2), "!!...!!");
        assert_eq!(after, [16.0, 8.0, 8.0, 8.0, 16.0, 16.0, 8.0]);
    }

    #[test]
    fn the_minimum_holds_and_is_reported() {
        let config = LossScaleConfig {
            initial: 2.0,
            ..config(100, 1)
        };
        let mut scaler = LossScaler::new(&config);
        assert_eq!(scaler.update(&config, true), ScaleChange::Lowered);
        assert_eq!(scaler.update(&config, true), ScaleChange::AtMinimum);
        assert_eq!(scaler.scale, 1.0);
    }

    #[test]
    fn a_static_scale_never_moves() {
        let config = LossScaleConfig {
            mode: LossScaleMode::Static,
            ..config(1, 1)
        };
        assert_eq!(trace(&config, "!.!."), [16.0; 4]);
    }
}
