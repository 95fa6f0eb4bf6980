//! Where the values of a criterion must lie.

use super::wire::WireCriterion;
use crate::card::{complain, label};
use experiments_config::Complaint;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Keys of `[criterion]` that say where a value or an interval must lie.
pub(crate) const BOUNDS: [&str; 7] = [
    "equals", "at_most", "at_least", "above", "below", "inside", "contains",
];

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

/// What a bound asks of an interval.
pub(super) enum Asked {
    /// That it contains a value.
    Value(f64),
    /// That it lies between two ends.
    Between(f64, f64),
    /// That it lies on one side of an end.
    Side,
}

impl Bound {
    pub(super) fn of_interval(self) -> Asked {
        match self {
            Self::Contains(value) => Asked::Value(value),
            Self::Inside([low, high]) => Asked::Between(low, high),
            Self::Equals(_)
            | Self::AtMost(_)
            | Self::AtLeast(_)
            | Self::Above(_)
            | Self::Below(_) => Asked::Side,
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

/// The one bound of a criterion. Values are within one; of an interval it is asked whether all of
/// it is, or whether it `contains` a value. `unfit` has no meaning for `what`.
pub(super) fn of(
    wire: &mut WireCriterion,
    what: &str,
    unfit: &str,
    section: &str,
    complaints: &mut Vec<Complaint>,
) -> Bound {
    let given = [
        wire.equals.take().map(Bound::Equals),
        wire.at_most.take().map(Bound::AtMost),
        wire.at_least.take().map(Bound::AtLeast),
        wire.above.take().map(Bound::Above),
        wire.below.take().map(Bound::Below),
        wire.inside.take().map(Bound::Inside),
        wire.contains.take().map(Bound::Contains),
    ];
    let fit: Vec<&str> = BOUNDS.into_iter().filter(|key| *key != unfit).collect();
    let fit = fit.join(", ");
    let given: Vec<(&str, Bound)> = BOUNDS
        .into_iter()
        .zip(given)
        .filter_map(|(key, bound)| Some((key, bound?)))
        .collect();
    match given.as_slice() {
        [(key, bound)] => {
            let place = format!("{section}.{key}");
            if *key == unfit {
                let message = format!("cannot be asked of {what}; give one of {fit}");
                complain(complaints, &place, message, None);
            } else {
                check(*bound, &place, complaints);
            }
            *bound
        }
        [] => {
            let message = format!("has no bound; give one of {fit}");
            complain(complaints, section, message, None);
            Bound::Equals(0.0)
        }
        several => {
            let keys: Vec<String> = several.iter().map(|(key, _)| format!("`{key}`")).collect();
            let message = format!("has the bounds {}; keep one", keys.join(" and "));
            complain(complaints, section, message, None);
            Bound::Equals(0.0)
        }
    }
}

fn check(bound: Bound, place: &str, complaints: &mut Vec<Complaint>) {
    let [low, high] = match bound {
        Bound::Equals(value)
        | Bound::AtMost(value)
        | Bound::AtLeast(value)
        | Bound::Above(value)
        | Bound::Below(value)
        | Bound::Contains(value) => [value, value],
        Bound::Inside(ends) => ends,
    };
    if !low.is_finite() || !high.is_finite() {
        complain(complaints, place, "must be finite", None);
    } else if low > high {
        let message = format!("is [{low}, {high}]; expected the lower end first");
        complain(complaints, place, message, None);
    }
}
