//! The end of a metric's scale that is bad.

use words::named;

named! {
    /// The end of a metric's scale behind which such a run ranks.
    pub enum Worst {
        /// Above every value, as for a loss.
        High = "high",
        /// Below every value, as for an accuracy.
        Low = "low",
    }
}

impl Worst {
    /// The value that ranks there.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::High => f64::INFINITY,
            Self::Low => f64::NEG_INFINITY,
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::High => "highest",
            Self::Low => "lowest",
        }
    }
}
