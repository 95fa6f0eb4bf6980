//! Which way a claim goes.

use serde::{Deserialize, Serialize};

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

/// The two directions that a test can be told: up, then down.
pub(super) type Directions = [Direction; 2];

/// Of how often the event is seen.
pub(super) const MORE: Directions = [Direction::TreatmentMore, Direction::TreatmentLess];
/// Of a value.
pub(super) const HIGHER: Directions = [Direction::TreatmentHigher, Direction::TreatmentLower];
/// Of a trend.
pub(super) const TREND: Directions = [Direction::Increasing, Direction::Decreasing];
