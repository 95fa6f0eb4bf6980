//! What power is simulated from: the effect that a criterion's author expects.

use super::direction::Direction;
use serde::{Deserialize, Serialize};

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

/// A number that the power of a test depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needed {
    /// Its key in [`Expect`].
    pub(crate) key: &'static str,
    /// The number, where it is given.
    pub(crate) value: Option<f64>,
    range: Range,
}

/// Which numbers make sense.
#[derive(Debug, Clone, Copy)]
enum Range {
    Any,
    Share,
    Positive,
}

impl Needed {
    /// A number of any size and sign.
    pub(super) fn any(key: &'static str, value: Option<f64>) -> Self {
        let range = Range::Any;
        Self { key, value, range }
    }

    /// A share of runs.
    pub(super) fn share(key: &'static str, value: Option<f64>) -> Self {
        let range = Range::Share;
        Self { key, value, range }
    }

    /// A number above 0.
    pub(super) fn positive(key: &'static str, value: Option<f64>) -> Self {
        let range = Range::Positive;
        Self { key, value, range }
    }

    /// A difference, and its standard deviation over seeds.
    pub(super) fn difference(difference: Option<f64>, sd: Option<f64>) -> Vec<Self> {
        vec![
            Self::any("difference", difference),
            Self::positive("sd", sd),
        ]
    }

    /// What is expected instead of this number, where it makes no sense.
    pub(crate) fn expected_instead(self) -> Option<&'static str> {
        let value = self.value.filter(|value| value.is_finite())?;
        match self.range {
            Range::Share if !(0.0..=1.0).contains(&value) => Some("a share from 0 to 1"),
            Range::Positive if value <= 0.0 => Some("a number above 0"),
            Range::Any | Range::Share | Range::Positive => None,
        }
    }
}

/// An expectation with which the criterion cannot hold.
#[derive(Debug)]
pub(crate) struct Against {
    /// Its key in [`Expect`].
    pub(crate) key: &'static str,
    /// What is wrong with it.
    pub(crate) message: String,
    /// What would do.
    pub(crate) hint: String,
}

impl Against {
    /// Of `difference`.
    pub(super) fn difference(message: String, hint: &str) -> Self {
        Self {
            key: "difference",
            message,
            hint: hint.to_owned(),
        }
    }
}

/// Says that a value must lie on the other side of `bound`, which `name` names; `None` where it lies
/// on the right one.
pub(super) fn wrong_way(
    direction: Direction,
    value: f64,
    bound: f64,
    name: &str,
) -> Option<String> {
    let (right, way) = if direction.is_up() {
        (value > bound, "above")
    } else {
        (value < bound, "below")
    };
    let word = direction.name();
    (!right).then(|| {
        format!(
            "is {value}, against the criterion's direction: with `{word}` it must be {way} {name}"
        )
    })
}

/// A number of an expectation in words.
pub(super) fn word(value: Option<f64>) -> String {
    value.map_or("?".to_owned(), |value| value.to_string())
}
