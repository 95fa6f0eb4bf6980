//! What a fork may do that no other run does: read other batches for some steps, withhold the update of some
//! parameters, and begin from a changed state.

mod bounds;

use crate::{Config, Position, ScheduleEntry, ScheduledKey};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// How far away other batches lie in the data, in sequences: farther than any run gets, and exact in a metrics file.
const ELSEWHERE: u64 = 1 << 40;

/// What steps read in place of their own batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubstituteKind {
    /// Batches that no other step reads; with several entries for a step each time others.
    Other,
    /// The same batches from the last to the first.
    Reversed,
    /// Every step from the first on reads the batch of `steps` steps later: so many batches are passed over.
    Later,
}

/// A batch: where in the data it begins, and the step of the run that reads it there, to which what `[[inject]]` plants in
/// data belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Number of its first sequence.
    pub position: Position,
    /// The step whose batch it is; none for a batch of no step.
    pub step: Option<u64>,
}

/// Batches that `steps` steps from `step` on read in place of their own; later steps read what they always do, but for `later`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitute {
    /// `other`, `reversed` or `later`.
    pub kind: SubstituteKind,
    /// The first step, counted from 1 as in the records.
    pub step: u64,
    /// How many steps; for `later` how many later.
    pub steps: u64,
}

/// Parameters whose update is computed and not made, moments included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withhold {
    /// With what the names of the parameters begin, for example `layers.3.`.
    pub tensors: String,
    /// The first step, counted from 1 as in the records.
    pub step: u64,
    /// How many steps.
    pub steps: u64,
}

/// What a fork changes in the state that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateChange {
    /// Adam's moments and its count of updates begin at 0.
    MomentsReset,
    /// The loss scale is multiplied by this.
    LossScale(f64),
    /// Weights, moments and count of updates of a checkpoint at least so many steps older. Data, schedule and loss scale
    /// are those of the fork.
    Older(u64),
    /// Every weight is multiplied by 1 + 2⁻¹¹ or 1 − 2⁻¹¹, half the distance of two FP16 numbers and no more than FP16
    /// rounds; signs are drawn with this number.
    Nudge(u64),
}

fn touched(step: u64, steps: u64) -> RangeInclusive<u64> {
    step..=step.saturating_add(steps.saturating_sub(1))
}

impl Substitute {
    /// The steps it touches.
    #[must_use]
    pub fn touched(&self) -> RangeInclusive<u64> {
        match self.kind {
            SubstituteKind::Other | SubstituteKind::Reversed => touched(self.step, self.steps),
            SubstituteKind::Later => self.step..=u64::MAX,
        }
    }

    /// What step `step` reads in place of `own`, with batches of `size` sequences.
    fn replace(&self, step: u64, own: Reading, size: u64) -> Reading {
        let moved = |to: u64, from: u64| Reading {
            position: Position((own.position.0 + to * size).saturating_sub(from * size)),
            step: own.step.map(|step| (step + to).saturating_sub(from)),
        };
        match self.kind {
            SubstituteKind::Other => Reading {
                position: Position(own.position.0.saturating_add(ELSEWHERE)),
                step: None,
            },
            SubstituteKind::Reversed => {
                let done = step - self.step;
                moved((self.steps - 1).saturating_sub(done), done)
            }
            SubstituteKind::Later => moved(self.steps, 0),
        }
    }
}

impl Withhold {
    /// The steps it touches.
    #[must_use]
    pub fn touched(&self) -> RangeInclusive<u64> {
        touched(self.step, self.steps)
    }
}

impl Config {
    /// What step `step` (counted from 1) reads where `position` in the data is its own: that, unless something is substituted.
    #[must_use]
    pub fn reading(&self, step: u64, position: Position) -> Reading {
        let own = Reading {
            position,
            step: Some(step),
        };
        let here = self
            .substitute
            .iter()
            .filter(|s| s.touched().contains(&step));
        here.fold(own, |own, substitute| {
            substitute.replace(step, own, self.samples_per_step())
        })
    }

    /// Whether `[[schedule]]` moves the size of a batch, so that the data of a step depend on the steps before it.
    #[must_use]
    pub fn batch_size_moves(&self) -> bool {
        let ramp = |entry: &ScheduleEntry| entry.key == ScheduledKey::GradientAccumulation;
        self.schedule.iter().any(ramp)
    }

    /// Whether step `step` withholds the update of the parameter `name`.
    #[must_use]
    pub fn withholds(&self, step: u64, name: &str) -> bool {
        let mut entries = self.withhold.iter();
        entries.any(|w| w.touched().contains(&step) && name.starts_with(&w.tensors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Override, load_preset};

    fn config(set: &[&str]) -> Result<Config, String> {
        let set: Vec<Override> = set.iter().map(|set| set.parse().unwrap()).collect();
        load_preset("t0", &set).map_err(|error| error.to_string())
    }

    /// Whose batches the steps 4 to 9 read, which have 8 sequences each; 0 for nobody's.
    fn read(set: &str) -> Vec<u64> {
        let config = config(&[set]).unwrap();
        let read = |step: u64| {
            let found = config.reading(step, Position((step - 1) * 8));
            if let Some(of) = found.step {
                assert_eq!(found.position.0, (of - 1) * 8);
            }
            found.step.unwrap_or(0)
        };
        (4..=9).map(read).collect()
    }

    #[test]
    fn reversed_and_later_batches_are_the_runs_own_and_others_are_nobodys() {
        let substitute = |kind: &str, steps: u64| {
            read(&format!(
                "substitute=[{{ kind = \"{kind}\", step = 5, steps = {steps} }}]"
            ))
        };
        assert_eq!(substitute("reversed", 4), [4, 8, 7, 6, 5, 9]);
        assert_eq!(substitute("other", 2), [4, 0, 0, 7, 8, 9]);
        assert_eq!(substitute("later", 2), [4, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn an_update_is_withheld_by_name_and_step() {
        let set = "withhold=[{ tensors = \"layers.1.\", step = 5, steps = 2 }]";
        let config = config(&[set]).unwrap();
        let withheld = |step| config.withholds(step, "layers.1.ffn.up.weight");
        assert_eq!([4, 5, 6, 7].map(withheld), [false, true, true, false]);
        assert!(!config.withholds(5, "layers.11.ffn.up.weight"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        for (set, expected) in [
            (
                "substitute=[{ kind = \"other\", step = 0, steps = 1 }]",
                "substitute[0].step",
            ),
            (
                "substitute=[{ kind = \"other\", step = 200, steps = 2 }]",
                "substitute[0].steps",
            ),
            (
                "substitute=[{ kind = \"later\", step = 5, steps = 1099511627776 }]",
                "substitute[0].steps",
            ),
            (
                "withhold=[{ tensors = \"layer.1.\", step = 1, steps = 1 }]",
                "withhold[0].tensors",
            ),
            (
                "withhold=[{ tensors = \"layers.1.\", step = 201, steps = 1 }]",
                "withhold[0].step",
            ),
            (
                "optimizer.embedding_lr_scale=-1",
                "optimizer.embedding_lr_scale",
            ),
        ] {
            let error = config(&[set]).unwrap_err();
            assert!(error.contains(expected), "{set}: {error}");
        }
        let ramp = "schedule=[{ key = \"batch.gradient_accumulation\", start = 3, to = 2 }]";
        let reversed = "substitute=[{ kind = \"reversed\", step = 5, steps = 4 }]";
        let error = config(&[ramp, reversed]).unwrap_err();
        assert!(error.contains("substitute[0].kind"), "{error}");
    }

    /// A run of before has the hash of before, and a fork has another.
    #[test]
    fn hashes_change_only_where_something_is_forked() {
        let base = config(&[]).unwrap();
        assert!(!base.to_toml().contains("embedding_lr_scale"));
        assert!(!base.to_toml().contains("substitute"));
        let halved = config(&["optimizer.embedding_lr_scale=0.5"]).unwrap();
        assert_ne!(base.hash(), halved.hash());
    }
}
