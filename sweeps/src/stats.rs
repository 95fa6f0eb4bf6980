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

pub use bootstrap::{BCA_MEAN_SEED, BOOTSTRAP_RESAMPLES, bca, bca_mean};
pub use equivalence::{Equivalence, tost};
pub use holm::holm;
pub use logistic::{Ld50, Ratio, Trial, ld50, ld50_ratio};
pub use mcnemar::{PairCounts, mcnemar_exact, mcnemar_power};
pub use means::{Estimate, mean_difference, mean_interval};
pub(crate) use means::{median, moments};
pub use permutation::sign_flip;
pub use power::{
    fisher_power, ld50_power, mean_interval_power, seeds_needed, sign_flip_power, tost_power,
    trend_power,
};
pub use proportion::{Proportion, fisher_exact, risk_difference};
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
