//! Steps skipped again and again.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::detector::Detector;
use super::{Alarm, AlarmKind};
use crate::record::Record;

/// Raises an alarm where several of the last steps were skipped, and again only after a whole window without one. A
/// scaler that tries a larger scale skips one step, with a hysteresis of two at most two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepeatedSkips {
    name: String,
    most: u64,
    window: u64,
    /// The skipped ones of the last `window` steps.
    skipped: VecDeque<u64>,
    /// Whether the present ones have been reported.
    reported: bool,
}

impl RepeatedSkips {
    /// `most` skipped steps among `window` are an alarm; `name` is the rule in it.
    #[must_use]
    pub fn new(name: &str, most: u64, window: u64) -> Self {
        Self {
            name: name.to_owned(),
            most,
            window,
            skipped: VecDeque::new(),
            reported: false,
        }
    }
}

impl Detector for RepeatedSkips {
    fn observe(&mut self, record: &Record, raised: &mut Vec<Alarm>) {
        let old = record.step.saturating_sub(self.window);
        self.skipped.retain(|step| *step > old);
        self.reported &= !self.skipped.is_empty();
        if record.skipped() {
            self.skipped.push_back(record.step);
        }
        let count = self.skipped.len() as u64;
        if count < self.most || self.reported {
            return;
        }
        self.reported = true;
        raised.push(Alarm {
            step: record.step,
            kind: AlarmKind::RepeatedSkips,
            signal: "skipped".to_owned(),
            rule: self.name.clone(),
            value: 1.0,
            before: None,
            score: count as f64,
            message: format!("{count} of the last {} steps were skipped", self.window),
        });
    }
}
