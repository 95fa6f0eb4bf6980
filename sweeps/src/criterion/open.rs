//! Why a criterion is open though runs have finished: it was not tested.

use serde::{Deserialize, Serialize};

/// Why a criterion is open whatever its runs without an outcome would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// The control shows the event so often that no result of the treatment could be more than
    /// that by the test.
    ControlFailed,
    /// The control shows the event so rarely that no result of the treatment could be less.
    ControlDidNotFail,
    /// Finished runs lost their losses before a first spike, or have too few, so that nobody knows whether they
    /// would have spiked, and the criterion does not say what they count as.
    SpikesLost,
    /// No two runs, or of a mean too few, share a seed, by which the test pairs them.
    TooFewPairs,
    /// Of a trend: no run has a value, so there is no order.
    EveryRunFailed,
    /// Finished runs have no finite value, and the criterion does not rank them.
    NoValue,
    /// Of an exponent: a value is zero or below.
    NoLogarithm,
    /// Of two doses: runs of the one arm fail less often, but where half of them fail is not known to
    /// be in the order of the claim, because an arm has no such dose or the two may lie either way.
    NoOrder,
    /// The value at which half of the runs fail lies outside those swept.
    OutsideRange,
}

impl Open {
    /// For people, after `inconclusive:`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ControlFailed => "the control failed as well",
            Self::ControlDidNotFail => {
                "the control did not fail either, so the treatment could not fail less"
            }
            Self::SpikesLost => {
                "finished runs lost their losses before a first spike, or have too few of them"
            }
            Self::TooFewPairs => "too few of its runs share a seed",
            Self::EveryRunFailed => "every run failed",
            Self::NoValue => "finished runs have no finite value",
            Self::NoLogarithm => "a value that is not above 0 has no exponent",
            Self::NoOrder => {
                "the values at which half of the runs fail are not in the order of the claim for certain"
            }
            Self::OutsideRange => "half of the runs fail outside the values swept",
        }
    }
}
