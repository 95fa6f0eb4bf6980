//! The line that the codes of a block lie on.

use crate::bits::Bits;
use half::f16;
use half::slice::HalfFloatSliceExt;

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

    /// What the nearest code of each value is worth: [`Self::value`] of [`Self::code`], in loops that the compiler makes vectors
    /// of.
    pub(crate) fn nearest(self, worth: &mut [f32], values: &[f32]) {
        const PIECE: usize = 64;
        if self.zero.is_some() || self.step == f16::ZERO {
            for (worth, value) in worth.iter_mut().zip(values) {
                *worth = self.value(self.code(*value));
            }
            return;
        }
        let (step, largest) = (self.step.to_f32(), self.largest as f32);
        let mut halves = [f16::ZERO; PIECE];
        let mut in_fp16 = |values: &mut [f32]| {
            let halves = &mut halves[..values.len()];
            halves.convert_from_f32_slice(values);
            halves.convert_to_f32_slice(values);
        };
        for (worth, values) in worth.chunks_mut(PIECE).zip(values.chunks(PIECE)) {
            for (steps, value) in worth.iter_mut().zip(values) {
                *steps = value / step;
            }
            in_fp16(worth);
            for steps in &mut *worth {
                *steps = rounded(steps.clamp(-largest, largest)) * step;
            }
            in_fp16(worth);
        }
    }
}

/// The nearest integer, ties to even, of a number between −2²² and 2²²: beyond 2²³ FP32 has integers only.
fn rounded(x: f32) -> f32 {
    const INTEGERS: f32 = 12_582_912.0;
    (x + INTEGERS) - INTEGERS
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of FP16 on lines of every kind: steps that are small, large, 0, and such that quotients fall between codes.
    #[test]
    fn codes_of_many_values_at_once_are_worth_what_single_ones_are() {
        let values = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32());
        let values: Vec<f32> = values.filter(|value| value.is_finite()).collect();
        let steps = [6e-8, 1e-5, 0.001, 0.0237, 0.1, 0.3333, 1.0, 77.7, 9357.0].map(f16::from_f32);
        let mut worth = vec![f32::NAN; values.len()];
        for bits in [Bits::Four, Bits::Eight] {
            for step in steps.into_iter().chain([f16::ZERO]) {
                for zero in [None, Some(3)] {
                    let scale = Scale {
                        step,
                        zero,
                        largest: bits.largest(),
                    };
                    scale.nearest(&mut worth, &values);
                    for (worth, value) in worth.iter().zip(&values) {
                        let expected = scale.value(scale.code(*value));
                        assert_eq!(*worth, expected, "{value} on {scale:?}");
                    }
                }
            }
        }
    }
}
