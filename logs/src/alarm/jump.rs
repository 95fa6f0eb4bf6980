//! A value many times its recent median.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::detector::{Detector, observed};
use super::{Alarm, AlarmKind};
use crate::median::upper_median;
use crate::record::Record;

/// Values whose median a jump is measured from.
const WINDOW: usize = 16;
/// Values before the first judgement.
const HISTORY: usize = 8;
/// Values in a jump that are a new level.
const RELEASE: usize = 100;

/// Raises an alarm where a positive signal reaches a multiple of its recent median. It knows no scatter, so that it
/// can judge after a few values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelativeJump {
    name: String,
    signal: String,
    factor: f64,
    /// The last calm values, oldest first.
    recent: VecDeque<f64>,
    /// Values of the present jump; 0 when calm.
    length: usize,
}

impl RelativeJump {
    /// Watches `signal`; `name` is the rule in its alarms.
    #[must_use]
    pub fn new(name: &str, signal: &str, factor: f64) -> Self {
        Self {
            name: name.to_owned(),
            signal: signal.to_owned(),
            factor,
            recent: VecDeque::new(),
            length: 0,
        }
    }

    fn median(&self) -> Option<f64> {
        if self.recent.len() < HISTORY {
            return None;
        }
        let mut values = [0.0; WINDOW];
        let count = self.recent.len().min(WINDOW);
        for (place, value) in values.iter_mut().zip(&self.recent) {
            *place = *value;
        }
        upper_median(&mut values[..count])
    }

    fn accept(&mut self, value: f64) {
        self.length = 0;
        self.recent.push_back(value);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
    }

    /// The median where the value is a jump from it.
    fn jump_from(&self, value: f64) -> Option<f64> {
        self.median().filter(|median| value >= self.factor * median)
    }
}

impl Detector for RelativeJump {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        let usable = |value: &f64| value.is_finite() && *value > 0.0;
        let Some(value) = observed(record, &self.signal).filter(usable) else {
            return;
        };
        let Some(median) = self.jump_from(value) else {
            self.accept(value);
            return;
        };
        self.length += 1;
        if self.length == 1 {
            raised.push(Alarm {
                step: record.step,
                kind: AlarmKind::Jump,
                signal: self.signal.clone(),
                rule: self.name.clone(),
                value,
                before: Some(median),
                score: value / median,
                message: format!(
                    "{} is {value:.4}, {:.1} times its recent median of {median:.4}",
                    self.signal,
                    value / median
                ),
            });
        }
        if self.length >= RELEASE {
            self.recent.clear();
            self.accept(value);
        }
    }
}
