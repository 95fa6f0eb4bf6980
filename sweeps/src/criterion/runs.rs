//! The runs of a sweep as a test sees them.

use super::metric::Metric;
use super::worst::Worst;
use crate::card::{Arm, Settings, matches, named, number};
use crate::reader::RunState;
use crate::stats::{sign_flip, sign_flip_quick};
use crate::{Event, Outcome};

/// What a finished run gives to a comparison of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    /// A number.
    Finite(f64),
    /// None, because the run failed: what was measured is not finite, or its losses are not and
    /// nothing was measured any more.
    Failed,
    /// None, though the run did not fail: the metric was never recorded.
    Absent,
}

/// The runs of a sweep as a test sees them.
pub(crate) struct Runs<'a> {
    /// All arms of the card.
    pub(crate) arms: &'a [Arm],
    /// All runs.
    pub(crate) states: &'a [RunState],
    /// What is compared.
    pub(crate) metric: &'a Metric,
    /// Place of the metric in [`crate::Card::metrics`].
    pub(crate) place: usize,
    /// The metric of the same runs that it is compared with, and its place.
    pub(crate) control: Option<(&'a Metric, usize)>,
    /// Where failed runs rank; `None` when they leave the criterion open.
    pub(crate) worst: Option<Worst>,
    /// Whether a finished run of which it is not known whether it shows the event counts as one that does.
    pub(crate) unknown_shows: bool,
    /// How much is to be said about them.
    pub(crate) detail: Detail,
}

/// One side of a comparison: an arm, or several of which the runs are pooled.
pub(super) struct Side {
    /// For people; what the arms share.
    pub(super) label: String,
    /// Labels of the arms, in the order of the card: the same place on two sides is the same value of the
    /// pooled axes.
    pub(super) arms: Vec<String>,
}

/// How much is to be found about a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Effects, intervals and words as well.
    Full,
    /// Only whether it holds, for the thousands of sweeps from which power is simulated.
    Decision,
}

impl Runs<'_> {
    /// Whether what is compared is a loss, which stays at the same level in all runs that do not
    /// train.
    pub(super) fn compares_loss(&self) -> bool {
        self.metric.is_loss()
    }

    /// The metric, for people.
    pub(super) fn metric_label(&self) -> String {
        self.metric.label()
    }

    /// The sign-flip test, or in simulations what stands in for it.
    pub(super) fn sign_flip(&self, differences: &[f64]) -> f64 {
        match self.detail {
            Detail::Full => sign_flip(differences),
            Detail::Decision => sign_flip_quick(differences),
        }
    }

    fn arms_at<'b>(&'b self, at: &'b Settings) -> impl Iterator<Item = &'b Arm> {
        let arms = self.arms.iter();
        arms.filter(move |arm| matches(&arm.settings, at))
    }

    /// The arms at these axis values, which a checked card has, and which differ in the axes of `pool`
    /// only.
    pub(super) fn side(&self, at: &Settings, pool: &[String]) -> Side {
        let arms: Vec<&Arm> = self.arms_at(at).collect();
        let shared = |arm: &&Arm| {
            let settings = arm.settings.iter();
            let shared = settings.filter(|(key, _)| !pool.contains(key));
            let words: Vec<String> = shared.map(|(key, value)| named(key, value)).collect();
            words.join(" ")
        };
        Side {
            label: match arms.as_slice() {
                [only] => only.label.clone(),
                several => several.first().map(shared).unwrap_or_default(),
            },
            arms: arms.into_iter().map(|arm| arm.label.clone()).collect(),
        }
    }

    /// The runs of a side, with the places of their arms.
    pub(super) fn of_side<'b>(
        &'b self,
        side: &'b Side,
    ) -> impl Iterator<Item = (usize, &'b RunState)> {
        let arms = side.arms.iter().enumerate();
        arms.flat_map(|(place, arm)| self.of_arm(arm).map(move |run| (place, run)))
    }

    /// The run of a side that shares its seed, and the values of the pooled axes, with a run of the other.
    pub(super) fn twin<'b>(
        &'b self,
        side: &'b Side,
        (place, run): (usize, &RunState),
    ) -> Option<&'b RunState> {
        self.of_arm(side.arms.get(place)?)
            .find(|other| other.seed == run.seed)
    }

    pub(super) fn of_arm<'b>(&'b self, label: &'b str) -> impl Iterator<Item = &'b RunState> {
        self.states.iter().filter(move |run| run.arm == label)
    }

    /// The metric that it is compared with in the same runs, for people, where it is.
    pub(super) fn control_label(&self) -> Option<String> {
        self.control.map(|(metric, _)| metric.label())
    }

    /// The number as it stands, finite or not.
    pub(super) fn number(&self, run: &RunState) -> Option<f64> {
        run.metrics.get(self.place).copied().flatten()
    }

    /// What a run gives to the comparison; `None` before it has an outcome.
    pub(super) fn value(&self, run: &RunState) -> Option<Value> {
        Self::value_at(run, self.place)
    }

    /// What a run gives to it as a control: another metric where two metrics of the same runs are compared.
    pub(super) fn control_value(&self, run: &RunState) -> Option<Value> {
        Self::value_at(run, self.control.map_or(self.place, |(_, place)| place))
    }

    fn value_at(run: &RunState, place: usize) -> Option<Value> {
        let outcome = run.outcome()?;
        Some(match run.metrics.get(place).copied().flatten() {
            Some(value) if value.is_finite() => Value::Finite(value),
            Some(_) => Value::Failed,
            None if outcome == Outcome::Nonfinite => Value::Failed,
            None => Value::Absent,
        })
    }

    /// Whether a run shows the event; `None` before it has an outcome, and where its losses were lost before
    /// that could be seen, unless the card registers what that counts as.
    pub(super) fn shows(&self, run: &RunState, event: &[Event]) -> Option<bool> {
        run.outcome()?;
        run.shows(event)
            .or_else(|| self.unknown_shows.then_some(true))
    }

    /// Finite values of an arm by seed.
    pub(super) fn values(&self, label: &str) -> Vec<(u64, f64)> {
        self.of_arm(label)
            .filter_map(|run| match self.value(run)? {
                Value::Finite(value) => Some((run.seed, value)),
                Value::Failed | Value::Absent => None,
            })
            .collect()
    }

    /// Values of an arm for a test of ranks: failed runs are infinite where they rank as worst.
    pub(super) fn ranked(&self, label: &str) -> Vec<f64> {
        self.of_arm(label)
            .filter_map(|run| match self.value(run)? {
                Value::Finite(value) => Some(value),
                Value::Failed => self.worst.map(Worst::value),
                Value::Absent => None,
            })
            .collect()
    }

    /// Finished runs of an arm with this kind of value; of two metrics either will do.
    pub(super) fn count(&self, label: &str, wanted: impl Fn(Value) -> bool) -> usize {
        let either = |run: &RunState| {
            let both = [self.value(run), self.control_value(run)];
            both.into_iter().flatten().any(&wanted)
        };
        self.of_arm(label).filter(|run| either(run)).count()
    }

    /// Arms that match, with their value of an axis, in ascending order.
    pub(super) fn along<'b>(&'b self, key: &str, at: &'b Settings) -> Vec<(f64, &'b Arm)> {
        let mut arms: Vec<(f64, &Arm)> = self
            .arms_at(at)
            .filter_map(|arm| Some((number(arm.settings.get(key)?)?, arm)))
            .collect();
        arms.sort_by(|a, b| a.0.total_cmp(&b.0));
        arms
    }

    /// Finished runs of these arms that leave the criterion open, for want of a value or of a rank.
    pub(super) fn open(&self, arms: &[String]) -> usize {
        let open = |value| match value {
            Value::Finite(_) => false,
            Value::Failed => self.worst.is_none(),
            Value::Absent => true,
        };
        arms.iter().map(|arm| self.count(arm, open)).sum()
    }
}
