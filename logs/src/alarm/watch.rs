//! The detectors that every run gets.

use serde::{Deserialize, Serialize};

use super::{Alarm, AlarmKind, LossScaleDetector, SpikeDetector};
use crate::record::Record;

/// Both spike rules on the loss and on the gradient norm, and the loss scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    loss: [SpikeDetector; 2],
    grad_norm: [SpikeDetector; 2],
    loss_scale: LossScaleDetector,
}

impl Default for Watch {
    fn default() -> Self {
        let both = |signal| {
            [
                SpikeDetector::olmo2_1000_7(signal),
                SpikeDetector::olmo_core_128_6(signal),
            ]
        };
        Self {
            loss: both("loss"),
            grad_norm: both("grad_norm"),
            loss_scale: LossScaleDetector::default(),
        }
    }
}

impl Watch {
    /// Takes one step and returns what it raised.
    pub fn observe(&mut self, record: &Record) -> Vec<Alarm> {
        let mut raised = Vec::new();
        if let Some(loss) = record.scalar("loss") {
            feed(&mut self.loss, record.step, loss, &mut raised);
        }
        // On a skipped step an infinite gradient is the loss scaler at work: no alarm, no baseline.
        // A finite one was skipped because it stands out, which is what an alarm is for.
        let counts = |norm: &f64| norm.is_finite() || !record.skipped();
        if let Some(norm) = record.scalar("grad_norm").filter(counts) {
            feed(&mut self.grad_norm, record.step, norm, &mut raised);
        }
        if let Some(scale) = record.scalar("loss_scale") {
            raised.extend(self.loss_scale.observe(record.step, scale));
        }
        raised
    }
}

fn feed(detectors: &mut [SpikeDetector], step: u64, value: f64, raised: &mut Vec<Alarm>) {
    for (i, detector) in detectors.iter_mut().enumerate() {
        let alarm = detector.observe(step, value);
        // That a value is not finite need be said once only.
        raised.extend(alarm.filter(|alarm| i == 0 || alarm.kind != AlarmKind::NonFinite));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::alarms;

    fn record(step: u64, loss: f64, grad_norm: f64, skipped: bool) -> Record {
        let mut record = Record::new(step);
        record.set("loss", loss);
        record.set("grad_norm", grad_norm);
        record.set("skipped", f64::from(u8::from(skipped)));
        record
    }

    fn calm(step: u64) -> Record {
        let wave = if step.is_multiple_of(2) { 0.01 } else { -0.01 };
        record(step, 3.0 + wave, 1.0 + wave, false)
    }

    #[test]
    fn each_rule_reports_a_spike_and_nan_is_reported_once() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149].set("loss", 9.0);
        records[169].set("grad_norm", f64::NAN);
        let found: Vec<_> = alarms(&records)
            .into_iter()
            .map(|alarm| (alarm.step, alarm.signal, alarm.rule))
            .collect();
        let expected = [
            (150, "loss", "olmo2-1000/7"),
            (150, "loss", "olmo-core-128/6"),
            (170, "grad_norm", "non-finite"),
        ];
        assert_eq!(
            found,
            expected.map(|(s, signal, rule)| (s, signal.to_owned(), rule.to_owned()))
        );
    }

    #[test]
    fn an_overflow_that_the_loss_scaler_skips_is_no_alarm() {
        let mut records: Vec<_> = (1..=200).map(calm).collect();
        records[149] = record(150, 3.0, f64::INFINITY, true);
        assert_eq!(alarms(&records), []);
    }
}
