//! How the scale of a block is chosen. A rule is one file and one line in [`Rule::ALL`].

mod absmax;
mod clipped;
mod zero_point;

use crate::bits::Bits;
use crate::scale::Scale;

/// A rule by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The largest magnitude is the largest code, as published.
    Absmax,
    /// The smallest value is the smallest code and the largest the largest.
    ZeroPoint,
    /// The largest magnitude times the factor whose squared error is least.
    Clipped,
    /// Absmax, and what rounding a column loses is made up for by later columns (arXiv 2210.17323).
    Gptq,
}

impl Rule {
    /// All.
    pub const ALL: [Self; 4] = [Self::Absmax, Self::ZeroPoint, Self::Clipped, Self::Gptq];

    /// As schemes have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absmax => "absmax",
            Self::ZeroPoint => "zero-point",
            Self::Clipped => "clipped",
            Self::Gptq => "gptq",
        }
    }

    /// Whether it has to see inputs of the matrix.
    #[must_use]
    pub fn is_calibrated(self) -> bool {
        self == Self::Gptq
    }

    /// The scale of a block with these values, all of FP16.
    pub(crate) fn fit(self, values: &[f32], bits: Bits) -> Scale {
        match self {
            Self::Absmax | Self::Gptq => absmax::fit(values, bits),
            Self::ZeroPoint => zero_point::fit(values, bits),
            Self::Clipped => clipped::fit(values, bits),
        }
    }
}
