//! The line that the codes of a block lie on.

use crate::bits::Bits;
use half::f16;

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
    /// By which `most` is the largest code; where FP16 has no scale so small, its smallest one.
    pub(crate) fn of_largest(most: f32, bits: Bits) -> Self {
        let largest = bits.largest();
        let step = f16::from_f32(most / largest as f32);
        Self {
            step: if most > 0.0 {
                step.max(f16::MIN_POSITIVE_SUBNORMAL)
            } else {
                step
            },
            zero: None,
            largest,
        }
    }

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
pub(crate) fn quotient(value: f32, step: f16) -> f32 {
    if step == f16::ZERO {
        return 0.0;
    }
    value / step.to_f32()
}

/// The largest magnitude of some values.
pub(crate) fn largest_magnitude(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
