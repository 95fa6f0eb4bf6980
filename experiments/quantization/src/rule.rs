//! How the scale of a block is chosen. A rule is one file and one line in [`Rule::ALL`].

mod absmax;
mod clipped;
mod zero_point;

use crate::scheme::Bits;
use half::f16;

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

/// The line that the codes of a block lie on: a code is worth (code + zero) · step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// Distance of two codes.
    pub(crate) step: f16,
    /// What is added to a code; none where 0 is code 0.
    pub(crate) zero: Option<i32>,
    /// The largest code.
    pub(crate) largest: i32,
}

impl Scale {
    /// The nearest code of a value of FP16, ties to even; held within the codes there are.
    pub(crate) fn code(self, value: f32) -> i8 {
        let quotient = quotient(value, self.step);
        let steps = match self.zero {
            // The published program divides in FP16.
            None => f16::from_f32(quotient).to_f32(),
            // Steps from 0 may be more than FP16 can count.
            Some(_) => quotient,
        };
        let code = (steps.round_ties_even() as i32).saturating_sub(self.zero.unwrap_or(0));
        code.clamp(-self.largest, self.largest) as i8
    }

    /// What a code is worth, in FP16.
    pub(crate) fn value(self, code: i8) -> f32 {
        let steps = i32::from(code) + self.zero.unwrap_or(0);
        f16::from_f32(steps as f32 * self.step.to_f32()).to_f32()
    }
}

/// A quotient in FP32; 0 by a step that is 0.
fn quotient(value: f32, step: f16) -> f32 {
    if step == f16::ZERO {
        return 0.0;
    }
    value / step.to_f32()
}

fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
