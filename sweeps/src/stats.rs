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
pub use logs::proportion::{Interval, Proportion};
pub use mcnemar::{PairCounts, mcnemar_exact};
pub use means::{Estimate, mean_difference, mean_interval};
pub(crate) use means::{median, moments};
pub(crate) use permutation::sign_flip_quick;
pub use permutation::{sign_flip, sign_flip_interval, sign_flip_least};
pub use power::{mean_interval_power, sign_flip_power, tost_power, trend_power};
pub use proportion::{fisher_exact, risk_difference};
pub(crate) use slope::{Line, least_squares};
pub use slope::{Slope, SlopePoint, log_log_slope};
pub use trend::{Trend, jonckheere};
