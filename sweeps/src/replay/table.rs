//! What happened to each twin, read off its records.

use super::attribution::{Control, Facts, Fate};
use super::{Attribution, CONTROL, Cause, attribute};
use logs::spike::{LossSpike, SpikeState, loss_spikes};
use logs::{Event, EventKind, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Steps behind the one that is asked about in which a spike still counts as one around it: the gap of
/// [`logs::spike::Definition`].
pub const NEAR: u64 = 8;
/// Losses whose mean is the loss after the last step.
const LAST: usize = 16;

/// A spike of a twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its first step.
    pub first: u64,
    /// Height over the level, nats per token; none where the loss was not finite.
    pub height: Option<f64>,
    /// Steps from the first until the loss was back; none where it was not before the end.
    pub recovery: Option<u64>,
}

/// What is told of a twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The spike around the step.
    pub near: Option<Seen>,
    /// The first spike after that.
    pub later: Option<Seen>,
    /// Loss of the step that is asked about, nats per token.
    pub loss: Option<f64>,
    /// Mean loss of the last 16 steps, nats per token.
    pub last_loss: Option<f64>,
    /// Level of the loss before the spike around the step, nats per token.
    #[serde(skip)]
    pub(super) level: Option<f64>,
}

/// What became of a twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum End {
    /// It took all its steps.
    Finished(Told),
    /// It would be the run itself, or cannot be made of it.
    NotApplicable {
        /// Why.
        reason: String,
    },
    /// Its training failed.
    Failed {
        /// How.
        reason: String,
    },
}

impl End {
    /// What is told of a twin that took all its steps.
    #[must_use]
    pub fn told(&self) -> Option<&Told> {
        match self {
            Self::Finished(told) => Some(told),
            Self::NotApplicable { .. } | Self::Failed { .. } => None,
        }
    }
}

/// One twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub twin: String,
    /// What it changes.
    pub what: String,
    /// The cause that it speaks for.
    pub cause: Option<Cause>,
    /// What became of it.
    pub end: End,
}

/// All twins of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The first step that the twins took.
    pub from: u64,
    /// The step that is asked about.
    pub at: u64,
    /// In the order of the registry.
    pub rows: Vec<Row>,
}

impl Told {
    /// Of a twin that took the steps of `own`, after those of `before`.
    #[must_use]
    pub fn of(before: &[Record], own: &[Record], at: u64) -> Self {
        let Some(from) = own.first().map(|record| record.step) else {
            return Self {
                near: None,
                later: None,
                loss: None,
                last_loss: None,
                level: None,
            };
        };
        let before = before.iter().filter(|record| record.step < from);
        let all: Vec<Record> = before.chain(own).cloned().collect();
        let found = loss_spikes(&all);
        let around = from..=at + NEAR;
        let level = found
            .iter()
            .map(|spike| &spike.spike)
            .find(|spike| around.contains(&spike.first));
        let level = level.map(|spike| spike.level);
        let spikes: Vec<Seen> = found.iter().map(seen).collect();
        let nonfinite = own
            .iter()
            .filter(|record| !record.scalar("loss").is_some_and(f64::is_finite));
        let nonfinite = nonfinite.map(|record| Seen {
            first: record.step,
            height: None,
            recovery: None,
        });
        let mut spikes: Vec<Seen> = spikes.into_iter().chain(nonfinite).collect();
        spikes.sort_by_key(|spike| spike.first);
        let near = |spike: &&Seen| around.contains(&spike.first);
        let losses: Vec<f64> = own
            .iter()
            .filter_map(|record| record.scalar("loss"))
            .collect();
        let last = &losses[losses.len().saturating_sub(LAST)..];
        Self {
            near: spikes.iter().find(near).cloned(),
            later: spikes.iter().find(|spike| spike.first > at + NEAR).cloned(),
            loss: Record::at(own, at).and_then(|record| record.scalar("loss")),
            last_loss: (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64),
            level,
        }
    }

    fn fate(&self) -> Fate {
        match (&self.near, &self.later) {
            (Some(_), _) => Fate::Spike,
            (None, Some(_)) => Fate::Later,
            (None, None) => Fate::Calm,
        }
    }
}

fn seen(spike: &LossSpike) -> Seen {
    let recovered = spike.spike.state == SpikeState::Recovered;
    Seen {
        first: spike.spike.first,
        height: Some(spike.height),
        recovery: recovered.then_some(spike.duration),
    }
}

/// How the control compares with what the run recorded.
#[must_use]
pub fn control(recorded: &[Record], control: &[Record], events: &[Event]) -> Control {
    let differs = control.iter().find_map(|own| {
        let known = Record::at(recorded, own.step)?;
        (!known.differing(own).is_empty()).then_some(own.step)
    });
    differs.map_or(Control::Same, |step| deviation(step, events))
}

/// What it means that `step` gives other bits than were recorded.
#[must_use]
pub fn deviation(step: u64, events: &[Event]) -> Control {
    let begins = |event: &Event| event.kind == EventKind::Resume && event.step + 1 == step;
    if events.iter().any(begins) {
        Control::OtherFromAttempt(step)
    } else {
        Control::Other(step)
    }
}

impl Table {
    /// What the twins say of the cause of what `recorded` holds. `fp32` says whether the run's passes are FP32.
    #[must_use]
    pub fn attribution(&self, recorded: &[Record], control: Control, fp32: bool) -> Attribution {
        let own = recorded.iter().filter(|record| record.step >= self.from);
        let own: Vec<Record> = own.cloned().collect();
        let recorded = Told::of(recorded, &own, self.at).near.is_some();
        let fate = |row: &Row| Some((row.twin.clone(), row.end.told()?.fate()));
        attribute(&Facts {
            at: self.at,
            control,
            recorded,
            fp32,
            fates: self.rows.iter().filter_map(fate).collect(),
            left: self.left().unwrap_or_default(),
        })
    }

    /// Loss above the level at the step, over the control's; none where the control's loss is not half as high there as its
    /// spike gets.
    fn left(&self) -> Option<BTreeMap<String, f64>> {
        let mut rows = self.rows.iter();
        let control = rows.find(|row| row.twin == CONTROL)?.end.told()?;
        let (level, height) = (control.level?, control.near.as_ref()?.height?);
        let above = |told: &Told| Some(told.loss.filter(|loss| loss.is_finite())? - level);
        let whole = above(control).filter(|whole| *whole >= height / 2.0)?;
        let share = |row: &Row| Some((row.twin.clone(), above(row.end.told()?)? / whole));
        Some(self.rows.iter().filter_map(share).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64, loss: f64) -> Record {
        let mut record = Record::new(step);
        record.set_named("loss", loss);
        record
    }

    fn calm(steps: std::ops::RangeInclusive<u64>) -> Vec<Record> {
        steps
            .map(|step| record(step, 3.0 + if step % 2 == 0 { 0.01 } else { -0.01 }))
            .collect()
    }

    /// The level is that of the run, which the twin's own few steps do not have.
    #[test]
    fn a_spike_of_a_twin_is_judged_by_the_run_before_it() {
        let before = calm(1..=120);
        let mut own = calm(114..=180);
        let steps = [122, 123, 170];
        for (step, loss) in steps.into_iter().zip([6.0, 5.0, 7.0]) {
            own[(step - 114) as usize].set_named("loss", loss);
        }
        let told = Told::of(&before, &own, 122);
        let near = told.near.clone().unwrap();
        assert_eq!((near.first, near.recovery), (122, Some(2)));
        assert!((near.height.unwrap() - 3.0).abs() < 0.1);
        assert_eq!(told.later.as_ref().unwrap().first, 170);
        assert_eq!((told.loss, told.fate()), (Some(6.0), Fate::Spike));
        assert!(
            told.last_loss.unwrap() > 3.2,
            "the mean of the last 16 has the spike of 170"
        );
        let told = Told::of(&before, &own[9..], 110);
        assert_eq!(told.fate(), Fate::Later, "far behind the step");
    }

    #[test]
    fn what_is_left_is_the_loss_above_the_level_over_the_controls() {
        let row = |twin: &str, loss: [f64; 2]| {
            let mut own = calm(114..=180);
            own[8].set_named("loss", loss[0]);
            own[9].set_named("loss", loss[1]);
            Row {
                twin: twin.to_owned(),
                what: String::new(),
                cause: None,
                end: End::Finished(Told::of(&calm(1..=120), &own, 122)),
            }
        };
        let left = |control| {
            let rows = vec![
                row("same", control),
                row("skip", [3.4, 3.0]),
                row("egs", [f64::NAN, 3.0]),
            ];
            Table {
                from: 114,
                at: 122,
                rows,
            }
            .left()
        };
        let found = left([5.0, 5.0]).unwrap();
        assert!(
            (found["skip"] - 0.2).abs() < 0.01 && found["same"] == 1.0,
            "{found:?}"
        );
        assert!(!found.contains_key("egs"), "not finite");
        assert_eq!(left([3.0, 5.0]), None, "the spike comes a step later");
        assert_eq!(left([f64::NAN, 5.0]), None);
    }

    #[test]
    fn a_loss_that_is_not_finite_is_a_spike_without_a_height() {
        let mut own = calm(114..=130);
        own[6].set_named("loss", f64::NAN);
        let near = Told::of(&calm(1..=113), &own, 122).near.unwrap();
        assert_eq!((near.first, near.height), (120, None));
    }

    #[test]
    fn the_control_is_compared_bit_by_bit_and_attempts_are_known() {
        let recorded = calm(1..=130);
        let mut own = calm(114..=140);
        assert_eq!(control(&recorded, &own, &[]), Control::Same);
        own[3].set_named("loss", 3.000_000_1);
        assert_eq!(control(&recorded, &own, &[]), Control::Other(117));
        let resumed = Event::now(116, EventKind::Resume, "");
        assert_eq!(
            control(&recorded, &own, &[resumed]),
            Control::OtherFromAttempt(117)
        );
    }
}
