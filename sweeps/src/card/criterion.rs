//! What decides a card: metrics, tests, and the effects their designers expected.

use crate::OutcomeRules;
use crate::card::{Role, Settings, label};
use serde::{Deserialize, Serialize};
use std::fmt;

mod failed;
mod metric;
mod spiking;
mod test;

pub use failed::{Failed, Worst};
pub use metric::{Metric, Reduce};
pub use test::Test;

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
    /// What the metric is compared with in the same runs, instead of in those of a control.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub control_metric: Option<Metric>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    control_metric: Option<&'a Metric>,
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
            control_metric: criterion.control_metric.as_ref(),
            alpha: criterion.alpha,
            failed: criterion.failed,
            worst: criterion.worst,
        }
    }
}
