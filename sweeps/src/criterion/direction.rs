//! Which way a claim goes.

use words::named;

named! {
    /// Which way a difference or a trend must go for a criterion to hold.
    pub enum Direction {
        /// The event is more frequent under treatment.
        TreatmentMore = "treatment_more",
        /// The event is less frequent under treatment.
        TreatmentLess = "treatment_less",
        /// The value is higher under treatment.
        TreatmentHigher = "treatment_higher",
        /// The value is lower under treatment.
        TreatmentLower = "treatment_lower",
        /// The metric rises with the axis.
        Increasing = "increasing",
        /// The metric falls with the axis.
        Decreasing = "decreasing",
    }
}

impl Direction {
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
