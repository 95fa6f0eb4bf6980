//! Statistics of small samples: a handful of seeds per arm, never steps as samples.

mod means;
mod proportion;

pub use means::{Estimate, mean_difference, mean_interval};
pub use proportion::{Proportion, fisher_exact, risk_difference};

use serde::{Deserialize, Serialize};

/// Two ends of an interval, in the unit of what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
