//! What decides a card: metrics, tests, and the effects their designers expected.

use crate::card::{Arm, Role, Settings, label, matches, same};
use crate::{Event, OutcomeRules};
use serde::{Deserialize, Serialize};
use std::fmt;

mod failed;
mod metric;
mod spiking;

pub use failed::{Failed, Worst};
pub use metric::{Metric, Reduce};

/// Which way a difference or a trend must go for a criterion to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The event is more frequent under treatment.
    TreatmentMore,
    /// The event is less frequent under treatment.
    TreatmentLess,
    /// The value is higher under treatment.
    TreatmentHigher,
    /// The value is lower under treatment.
    TreatmentLower,
    /// The metric rises with the axis.
    Increasing,
    /// The metric falls with the axis.
    Decreasing,
}

impl Direction {
    /// The word used in cards.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TreatmentMore => "treatment_more",
            Self::TreatmentLess => "treatment_less",
            Self::TreatmentHigher => "treatment_higher",
            Self::TreatmentLower => "treatment_lower",
            Self::Increasing => "increasing",
            Self::Decreasing => "decreasing",
        }
    }

    /// Whether the claim is that the quantity goes up.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(
            self,
            Self::TreatmentMore | Self::TreatmentHigher | Self::Increasing
        )
    }
}

impl Direction {
    /// Whether the treatment's number is more than the control's, or less where that is the claim.
    #[must_use]
    pub fn is_more<T: PartialOrd + Copy>(self, treatment: T, control: T) -> bool {
        if self.is_up() {
            treatment > control
        } else {
            treatment < control
        }
    }
}

/// Two arms that are compared, or two sets of arms that differ in the pooled axes alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Axis values of the treatment arm.
    pub treatment: Settings,
    /// Axis values of the control arm.
    pub control: Settings,
    /// Axes over whose values the runs of either side are pooled. Both sides have the same of them, with the
    /// same seeds, so that no such axis can make the difference.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pool: Vec<String>,
}

/// Where a value or an interval must lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Exactly there: the same bits, 0 and −0 alike.
    Equals(f64),
    /// At or below.
    AtMost(f64),
    /// At or above.
    AtLeast(f64),
    /// Strictly above.
    Above(f64),
    /// Strictly below.
    Below(f64),
    /// Between the two, ends included.
    Inside([f64; 2]),
    /// Of an interval only: it contains the value.
    Contains(f64),
}

impl Bound {
    /// Whether a value lies there; never for NaN.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Equals(bound) | Self::Contains(bound) => value == bound,
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
            Self::Inside([low, high]) => (low..=high).contains(&value),
        }
    }

    /// Whether all of an interval lies there, or for [`Bound::Contains`] whether the value lies in
    /// the interval.
    #[must_use]
    pub fn holds_for(self, low: f64, high: f64) -> bool {
        match self {
            Self::Contains(value) => (low..=high).contains(&value),
            other => other.holds(low) && other.holds(high),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &f64| label(&toml::Value::Float(*value));
        match self {
            Self::Equals(value) => write!(f, "exactly {}", word(value)),
            Self::AtMost(value) => write!(f, "at most {}", word(value)),
            Self::AtLeast(value) => write!(f, "at least {}", word(value)),
            Self::Above(value) => write!(f, "above {}", word(value)),
            Self::Below(value) => write!(f, "below {}", word(value)),
            Self::Inside([low, high]) => write!(f, "between {} and {}", word(low), word(high)),
            Self::Contains(value) => write!(f, "an interval that contains {}", word(value)),
        }
    }
}

/// The statistical test. Arms are named by their axis values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "test", rename_all = "snake_case")]
pub enum Test {
    /// Fisher's exact test, two-sided, on counts of the event.
    Fisher {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the difference must go.
        direction: Direction,
    },
    /// McNemar's exact test, two-sided, on the seeds of which one arm's run shows the event and the
    /// other's does not.
    Mcnemar {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the difference must go.
        direction: Direction,
    },
    /// Sign-flip permutation test, two-sided, on differences of the metric paired by seed.
    Permutation {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// Two more arms whose difference is taken off: an interaction.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        minus: Option<Pair>,
        /// The way the difference must go.
        direction: Direction,
        /// The difference must be larger than this, in the metric's unit.
        margin: f64,
    },
    /// Two one-sided t tests: the arms differ by less than a margin.
    Tost {
        /// The arms.
        #[serde(flatten)]
        arms: Pair,
        /// Largest difference that counts as none, in the metric's unit.
        margin: f64,
    },
    /// Slope of ln metric on ln axis; decided by its interval.
    Slope {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        at: Settings,
        /// Where the interval must lie.
        bound: Bound,
    },
    /// Jonckheere and Terpstra's test for a trend of the metric along an axis, one-sided.
    Jonckheere {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        at: Settings,
        /// The way the trend must go.
        direction: Direction,
    },
    /// Ratio of the axis values at which half of the runs show the event; decided by its interval.
    Ld50 {
        /// The axis.
        along: String,
        /// The other axis values of the arms.
        #[serde(flatten)]
        arms: Pair,
        /// What counts as the event.
        event: Vec<Event>,
        /// The way the treatment's value must differ.
        direction: Direction,
    },
    /// Every run of the arms has a metric within a bound. No statistics: for exact predictions.
    Exact {
        /// Axis values of the arms.
        at: Settings,
        /// Where the metric must lie.
        bound: Bound,
    },
}

impl Test {
    /// Whether the arm is one of those that the test looks at.
    pub(crate) fn looks_at(&self, arm: &Arm) -> bool {
        let mut selectors = self.selectors().into_iter();
        selectors.any(|at| matches(&arm.settings, at))
    }

    /// The word used in cards.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fisher { .. } => "fisher",
            Self::Mcnemar { .. } => "mcnemar",
            Self::Permutation { .. } => "permutation",
            Self::Tost { .. } => "tost",
            Self::Slope { .. } => "slope",
            Self::Jonckheere { .. } => "jonckheere",
            Self::Ld50 { .. } => "ld50",
            Self::Exact { .. } => "exact",
        }
    }

    /// The axis values of every arm, or set of arms, that the test looks at.
    #[must_use]
    pub fn selectors(&self) -> Vec<&Settings> {
        match self {
            Self::Fisher { arms, .. }
            | Self::Mcnemar { arms, .. }
            | Self::Tost { arms, .. }
            | Self::Ld50 { arms, .. } => vec![&arms.treatment, &arms.control],
            Self::Permutation { arms, minus, .. } => std::iter::once(arms)
                .chain(minus)
                .flat_map(|pair| [&pair.treatment, &pair.control])
                .collect(),
            Self::Slope { at, .. } | Self::Jonckheere { at, .. } | Self::Exact { at, .. } => {
                vec![at]
            }
        }
    }

    /// The axis along which the test looks, for tests that do.
    #[must_use]
    pub fn along(&self) -> Option<&str> {
        match self {
            Self::Slope { along, .. }
            | Self::Jonckheere { along, .. }
            | Self::Ld50 { along, .. } => Some(along),
            Self::Fisher { .. }
            | Self::Mcnemar { .. }
            | Self::Permutation { .. }
            | Self::Tost { .. }
            | Self::Exact { .. } => None,
        }
    }

    /// Whether two arms have the same values of the pooled axes, so that their runs are compared with each other.
    pub(crate) fn is_same_cell(&self, a: &Settings, b: &Settings) -> bool {
        let mut keys = self.pool().iter();
        keys.all(|key| match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        })
    }

    /// Axes over whose values both sides are pooled.
    #[must_use]
    pub fn pool(&self) -> &[String] {
        match self {
            Self::Fisher { arms, .. }
            | Self::Mcnemar { arms, .. }
            | Self::Permutation { arms, .. }
            | Self::Tost { arms, .. } => &arms.pool,
            Self::Slope { .. }
            | Self::Jonckheere { .. }
            | Self::Ld50 { .. }
            | Self::Exact { .. } => &[],
        }
    }

    /// What counts as the event, for tests that count one.
    #[must_use]
    pub fn event(&self) -> Option<&[Event]> {
        match self {
            Self::Fisher { event, .. } | Self::Mcnemar { event, .. } | Self::Ld50 { event, .. } => {
                Some(event)
            }
            Self::Permutation { .. }
            | Self::Tost { .. }
            | Self::Slope { .. }
            | Self::Jonckheere { .. }
            | Self::Exact { .. } => None,
        }
    }
}

/// The effect a designer expects, from which `sweep plan` computes power. Which fields are needed
/// depends on the test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// `fisher`, `mcnemar`: share of treatment runs with the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub treatment: Option<f64>,
    /// `fisher`, `mcnemar`: share of control runs with the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<f64>,
    /// `permutation`, `tost`: mean difference; `slope`: distance of the slope from the nearest end
    /// of the bound, none with `contains`; `jonckheere`: difference between neighbouring groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// Standard deviation over seeds of what `difference` is a mean of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// `ld50`: ratio of treatment to control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// `ld50`: slope of the log odds of the event per doubling of the axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steepness: Option<f64>,
    /// Where these numbers are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// One part of a card's decision, fixed before the first run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Kebab-case, unique in the card.
    pub name: String,
    /// What it shows when it holds, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claim: Option<String>,
    /// Whether the verdict depends on it.
    pub role: Role,
    /// The test.
    #[serde(flatten)]
    pub test: Test,
    /// Compared instead of the card's metric.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metric: Option<Metric>,
    /// What finished runs without a finite value do to it; without it what the test allows, see
    /// [`Criterion::rank_of_failed`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<Failed>,
    /// The bad end of the metric's scale, where the metric does not say itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub worst: Option<Worst>,
    /// Largest p value at which it holds; intervals are at 1 − `alpha`.
    pub alpha: f64,
    /// The effect expected, for planning. Decides nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expect: Option<Expect>,
}

/// What decides a verdict, in the form that is hashed.
#[derive(Serialize)]
pub(super) struct Decision<'a> {
    pub(super) metric: &'a Metric,
    pub(super) outcome: &'a OutcomeRules,
    pub(super) criteria: Vec<Deciding<'a>>,
}

/// A criterion without what decides nothing.
#[derive(Serialize)]
pub(super) struct Deciding<'a> {
    role: Role,
    #[serde(flatten)]
    test: &'a Test,
    metric: Option<&'a Metric>,
    alpha: f64,
    // Left out where a card does not say them, so that older cards keep their hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<Worst>,
}

impl<'a> From<&'a Criterion> for Deciding<'a> {
    fn from(criterion: &'a Criterion) -> Self {
        Self {
            role: criterion.role,
            test: &criterion.test,
            metric: criterion.metric.as_ref(),
            alpha: criterion.alpha,
            failed: criterion.failed,
            worst: criterion.worst,
        }
    }
}
