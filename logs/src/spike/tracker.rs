//! Finds spikes in a signal as its values arrive.

use serde::{Deserialize, Serialize};

use super::{Definition, Level, Side, Spike, SpikeState};

/// Deviations are cut off here: beyond, the baseline was constant and the number says nothing.
const MOST_DEVIATIONS: f64 = 1e6;

/// Watches one signal; the state serialises, so that a resumed run continues it exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpikeTracker {
    definition: Definition,
    level: Level,
    open: Option<Open>,
}

/// The present spike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Open {
    spike: Spike,
    /// Calm values since its last one.
    calm: u32,
    /// Values of it in a row.
    in_a_row: u32,
}

/// What a value changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A spike began with this value.
    Began(Spike),
    /// A spike is over.
    Ended(Spike),
}

/// A value seen from the values before it, in the unit that is judged.
#[derive(Clone, Copy)]
struct Judged {
    level: f64,
    deviations: f64,
}

impl SpikeTracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new(definition: Definition) -> Self {
        Self {
            definition,
            level: Level::default(),
            open: None,
        }
    }

    /// The present spike, if there is one.
    #[must_use]
    pub fn open(&self) -> Option<&Spike> {
        self.open.as_ref().map(|open| &open.spike)
    }

    /// Takes the value of a step; `skipped` says whether the step's update was skipped.
    pub fn observe(&mut self, step: u64, value: f64, skipped: bool) -> Option<Change> {
        let Some(judged_value) = self.unit(value) else {
            if let Some(open) = self.open.as_mut().filter(|_| !value.is_finite()) {
                open.extend(step, skipped);
                open.spike.non_finite += 1;
            }
            return None;
        };
        let Some(judged) = self.judge(judged_value) else {
            self.level.push(judged_value);
            return None;
        };
        if self.is_part(judged.deviations, skipped) {
            self.take(step, value, judged, skipped)
        } else {
            self.level.push(judged_value);
            self.calm()
        }
    }

    /// The value in the unit that is judged; none where there is none.
    fn unit(&self, value: f64) -> Option<f64> {
        let value = if self.definition.logarithmic {
            value.ln()
        } else {
            value
        };
        value.is_finite().then_some(value)
    }

    fn judge(&self, value: f64) -> Option<Judged> {
        let (level, scale) = self.level.get()?;
        let scale = scale.max(self.definition.least_scale);
        let deviations = (value - level) / scale;
        Some(Judged {
            level,
            deviations: deviations.clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS),
        })
    }

    /// Whether a value belongs to a spike, the present one or a new one.
    fn is_part(&self, deviations: f64, skipped: bool) -> bool {
        let line = match &self.open {
            Some(_) if skipped => return true,
            Some(open) if open.calm == 0 => self.definition.exit,
            Some(_) | None => self.definition.threshold,
        };
        let size = match self.definition.side {
            Side::Up => deviations,
            Side::Down => -deviations,
            Side::Both => deviations.abs(),
        };
        size >= line
    }

    fn take(&mut self, step: u64, value: f64, judged: Judged, skipped: bool) -> Option<Change> {
        let level = if self.definition.logarithmic {
            // The logarithm of the largest number may have been rounded up.
            judged.level.exp().min(f64::MAX)
        } else {
            judged.level
        };
        let Some(open) = &mut self.open else {
            let spike = Spike {
                first: step,
                peak: step,
                last: step,
                value,
                level,
                deviations: judged.deviations,
                skipped: u64::from(skipped),
                non_finite: 0,
                state: SpikeState::Open,
            };
            self.open = Some(Open {
                spike: spike.clone(),
                calm: 0,
                in_a_row: 1,
            });
            return Some(Change::Began(spike));
        };
        open.extend(step, skipped);
        open.in_a_row += 1;
        if judged.deviations.abs() > open.spike.deviations.abs() {
            let spike = &mut open.spike;
            (spike.peak, spike.value, spike.level) = (step, value, level);
            spike.deviations = judged.deviations;
        }
        if open.in_a_row < self.definition.release {
            return None;
        }
        self.level = Level::default();
        self.close(SpikeState::NewLevel)
    }

    fn calm(&mut self) -> Option<Change> {
        let open = self.open.as_mut()?;
        open.calm += 1;
        open.in_a_row = 0;
        if open.calm < self.definition.gap {
            return None;
        }
        self.close(SpikeState::Recovered)
    }

    fn close(&mut self, state: SpikeState) -> Option<Change> {
        let spike = self.open.take()?.spike;
        Some(Change::Ended(Spike { state, ..spike }))
    }
}

impl Open {
    fn extend(&mut self, step: u64, skipped: bool) {
        self.calm = 0;
        self.spike.last = step;
        self.spike.skipped += u64::from(skipped);
    }
}
