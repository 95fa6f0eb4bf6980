//! Statistics of small samples: a handful of seeds per arm, never steps as samples.

mod bootstrap;
mod equivalence;
mod holm;
mod logistic;
mod mcnemar;
mod means;
mod permutation;
mod power;
mod proportion;
mod slope;
mod trend;

pub use equivalence::{Equivalence, tost};
pub use holm::holm;
pub use logistic::{
    Dose, DoseCurve, Known, Ld50, Ratio, Trial, dose_curve, failure_differences, ld50, ld50_ratio,
};
pub use mcnemar::{PairCounts, mcnemar_exact};
pub use means::{Estimate, mean_difference, mean_interval};
pub(crate) use means::{median, moments};
pub(crate) use permutation::sign_flip_quick;
pub use permutation::{sign_flip, sign_flip_interval, sign_flip_least};
pub use power::{mean_interval_power, sign_flip_power, tost_power, trend_power};
pub use proportion::{Proportion, fisher_exact, risk_difference};
pub(crate) use slope::{Line, least_squares};
pub use slope::{Slope, SlopePoint, log_log_slope};
pub use trend::{Trend, jonckheere};

use serde::{Deserialize, Serialize};

/// Two ends of an interval, in the unit of what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval, widened until it holds `value`: for one beside a test that does not rule this
    /// value out. What covered the truth still does.
    #[must_use]
    pub fn with(self, value: f64) -> Self {
        Self {
            low: self.low.min(value),
            high: self.high.max(value),
        }
    }

    /// Whether `value` lies in it, ends included.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
