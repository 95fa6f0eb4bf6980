//! What a spike is: one definition for the monitor, the report, the cards and the detectors.
//!
//! The *level* of a signal at a step is the median of its last [`LEVEL`] calm values before that step. Its
//! *scale* says how far single values scatter: 1.4826 · 1.086 · the median of |value − median of its block|
//! over the last [`WINDOW`] calm values, in blocks of [`BLOCK`] consecutive ones. (1.4826 makes a median
//! absolute deviation a standard deviation for normal noise; 1.086 makes up for the block's own median, which
//! 16 values pull towards themselves.) Within a block a falling loss hardly falls, so a trend does not inflate the
//! scale, and a median does not follow a few large values. Nothing is extrapolated.
//!
//! A spike *begins* at the first value that is [`Definition::threshold`] scales or more above the level; it
//! *goes on* while values stay [`Definition::exit`] scales above, while values are not finite, and over skipped
//! steps: a skipped step is part of a spike and does not hide it. Of two crossings with fewer than
//! [`Definition::gap`] calm values between them the second belongs to the first one's spike. A spike is
//! *recovered* after that many calm values; where [`Definition::release`] values in a row stay above, the
//! run has a *new level*, and the baseline starts over. Values of a spike never enter the baseline.
//!
//! Nothing is judged before [`HISTORY`] calm values. A value that is not finite never enters a baseline and begins no
//! spike (it is an alarm of its own); on a logarithmic scale neither does one that is not positive.
//! The records of a run are those of all its attempts, so the baseline crosses attempts.

use serde::{Deserialize, Serialize};

use crate::record::Record;

mod level;
mod owner;
mod tracker;

pub use level::Level;
pub use owner::{LOOK_BACK, Owner, Role, lead, owner, owner_before};
pub use tracker::{Change, SpikeTracker};

/// Calm values whose median is the level.
pub const LEVEL: usize = 64;
/// Calm values whose scatter is the scale.
pub const WINDOW: usize = 128;
/// Consecutive calm values that share a median for the scale.
pub const BLOCK: usize = 16;
/// Calm values before the first judgement.
pub const HISTORY: usize = 32;

/// The numbers of the definition; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Where a spike begins, in scales.
    pub threshold: f64,
    /// Where it ends, in scales.
    pub exit: f64,
    /// Calm values that end a spike.
    pub gap: u32,
    /// Values of a spike in a row that are a new level.
    pub release: u32,
    /// Whether logarithms of the values are judged: for norms, which change by factors.
    pub logarithmic: bool,
    /// Smallest scale, in the signal's unit or, on a logarithmic scale, in e-folds. For signals that hardly
    /// scatter while all is well.
    pub least_scale: f64,
    /// Which way a spike goes.
    pub side: Side,
}

/// Which way a spike goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Above the level.
    Up,
    /// Below it.
    Down,
    /// Either.
    Both,
}

impl Definition {
    /// For a loss: 7 scales above the level, ended below 3.5, 8 calm values between two spikes, a new level
    /// after 100.
    pub const LOSS: Self = Self {
        threshold: 7.0,
        exit: 3.5,
        gap: 8,
        release: 100,
        logarithmic: false,
        least_scale: 0.0,
        side: Side::Up,
    };

    /// For norms: the same on a logarithmic scale.
    pub const NORM: Self = Self {
        logarithmic: true,
        ..Self::LOSS
    };

    /// The same with a smallest scale.
    #[must_use]
    pub const fn at_least(self, least_scale: f64) -> Self {
        Self {
            least_scale,
            ..self
        }
    }

    /// The same with another threshold; a spike ends at half of it, as in [`Definition::LOSS`].
    #[must_use]
    pub const fn with_threshold(self, threshold: f64) -> Self {
        Self {
            threshold,
            exit: threshold / 2.0,
            ..self
        }
    }

    /// The same in another direction.
    #[must_use]
    pub const fn towards(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// The definition for a recorded signal: losses as they are, everything else on a logarithmic scale.
    #[must_use]
    pub fn of(signal: &str) -> Self {
        if signal.contains("loss") && signal != "loss_scale" {
            Self::LOSS
        } else {
            Self::NORM
        }
    }
}

/// One spike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spike {
    /// Step of the first value of it.
    pub first: u64,
    /// Step of its value farthest from the level.
    pub peak: u64,
    /// Step of the last value of it.
    pub last: u64,
    /// The value at the peak, in the signal's unit.
    pub value: f64,
    /// The level at the peak, in the signal's unit.
    pub level: f64,
    /// Scales from the level at the peak; negative below it.
    pub deviations: f64,
    /// Skipped steps from the first to the last.
    pub skipped: u64,
    /// Values that were not finite from the first to the last.
    pub non_finite: u64,
    /// How it ended.
    pub state: SpikeState,
}

/// How a spike ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpikeState {
    /// It has not: the values end in it, or too soon after it to say.
    Open,
    /// The values came back.
    Recovered,
    /// They did not, and the baseline started over.
    NewLevel,
}

impl Spike {
    /// Height over the level at the peak, in the signal's unit.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.value - self.level
    }

    /// Steps from the first to the last, both counted.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.last.saturating_sub(self.first) + 1
    }
}

/// The spikes of one signal, or of one layer of a per-layer signal (`layer_grad_norm[3]`), over the records of a run
/// in the order of their steps.
#[must_use]
pub fn spikes(records: &[Record], signal: &str) -> Vec<Spike> {
    let mut found = Spikes::of(signal);
    for record in records {
        if let Some(value) = record.value(signal) {
            found.observe(record.step, value, record.skipped());
        }
    }
    found.all()
}

/// The spikes of a signal whose values come one after the other.
pub(crate) struct Spikes {
    tracker: SpikeTracker,
    ended: Vec<Spike>,
}

impl Spikes {
    pub(crate) fn of(signal: &str) -> Self {
        Self {
            tracker: SpikeTracker::new(Definition::of(signal)),
            ended: Vec::new(),
        }
    }

    pub(crate) fn observe(&mut self, step: u64, value: f64, skipped: bool) {
        match self.tracker.observe(step, value, skipped) {
            Some(Change::Ended(spike)) => self.ended.push(spike),
            Some(Change::Began(_)) | None => {}
        }
    }

    pub(crate) fn all(mut self) -> Vec<Spike> {
        self.ended.extend(self.tracker.open().cloned());
        self.ended
    }
}

/// Whether a signal has enough values for any of them to be judged.
#[must_use]
pub fn is_judged(records: &[Record], signal: &str) -> bool {
    let logarithmic = Definition::of(signal).logarithmic;
    let values = records.iter().filter_map(|record| record.value(signal));
    let mut usable = values.filter(|value| value.is_finite() && (*value > 0.0 || !logarithmic));
    usable.nth(HISTORY).is_some()
}

/// A spike of a run's loss, with what is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossSpike {
    /// The spike.
    #[serde(flatten)]
    pub spike: Spike,
    /// [`Spike::height`], nats per token.
    pub height: f64,
    /// [`Spike::duration`], steps.
    pub duration: u64,
    /// Whose gradient grew before; see [`owner()`].
    pub owner: Option<Owner>,
}

/// The spikes of the loss with their owners. Records without per-layer signals name no owners.
#[must_use]
pub fn loss_spikes(records: &[Record]) -> Vec<LossSpike> {
    let spikes = spikes(records, "loss").into_iter();
    spikes.map(|spike| LossSpike::of(spike, records)).collect()
}

impl LossSpike {
    /// A spike with what is told of it by the records of at least the [`LOOK_BACK`] steps before it.
    pub(crate) fn of(spike: Spike, records: &[Record]) -> Self {
        Self {
            height: spike.height(),
            duration: spike.duration(),
            owner: owner(records, &spike),
            spike,
        }
    }
}

#[cfg(test)]
mod tests;
