//! Rounding to binary16 and bfloat16, in place on `f32` slices.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// A 16-bit floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HalfFormat {
    /// IEEE 754 binary16: 5 exponent bits, largest finite value 65,504; values from 65,520
    /// round to infinity, subnormals down to 2^-24 are kept.
    Fp16,
    /// bfloat16: the exponent of FP32, 7 fraction bits.
    Bf16,
}

/// What rounding did to the range of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RangeCount {
    /// Finite values that became infinite.
    pub overflow: u64,
    /// Values other than zero that became zero.
    pub underflow: u64,
}

impl std::ops::AddAssign for RangeCount {
    fn add_assign(&mut self, other: Self) {
        self.overflow += other.overflow;
        self.underflow += other.underflow;
    }
}

/// Elements converted at once: a block and its 16-bit image stay in the first-level cache.
const BLOCK: usize = 1024;

/// Rounds every element to `format`, to nearest with ties to even, and counts range losses.
/// NaN stays NaN, infinities keep their sign.
pub fn round_slice(values: &mut [f32], format: HalfFormat) -> RangeCount {
    let mut count = RangeCount::default();
    match format {
        HalfFormat::Fp16 => {
            let mut image = [f16::ZERO; BLOCK];
            for block in values.chunks_mut(BLOCK) {
                let image = &mut image[..block.len()];
                image.convert_from_f32_slice(block);
                // Counting pairs of (before, after) needs both, so it comes before writing back.
                count_fp16(block, image, &mut count);
                image.convert_to_f32_slice(block);
            }
        }
        HalfFormat::Bf16 => {
            for value in values {
                let rounded = bf16::from_f32(*value).to_f32();
                count.overflow += u64::from(value.is_finite() && rounded.is_infinite());
                count.underflow += u64::from(*value != 0.0 && rounded == 0.0);
                *value = rounded;
            }
        }
    }
    count
}

/// Counts with 32-bit sums and bit tests only, which the compiler turns into vector code.
fn count_fp16(before: &[f32], after: &[f16], count: &mut RangeCount) {
    const EXPONENT: u32 = 0x7f80_0000;
    let (mut infinite, mut overflow, mut underflow) = (0_u32, 0_u32, 0_u32);
    for (value, half) in before.iter().zip(after) {
        let magnitude = value.to_bits() & 0x7fff_ffff;
        let image = u32::from(half.to_bits() & 0x7fff);
        infinite += u32::from(image >= 0x7c00);
        overflow += u32::from(image == 0x7c00) & u32::from(magnitude < EXPONENT);
        underflow += u32::from(image == 0) & u32::from(magnitude != 0);
    }
    if infinite > 0 {
        count.overflow += u64::from(overflow);
    }
    count.underflow += u64::from(underflow);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fp16(value: f32) -> f32 {
        let mut values = [value];
        round_slice(&mut values, HalfFormat::Fp16);
        values[0]
    }

    #[test]
    fn fp16_overflows_from_65520_and_keeps_subnormals() {
        assert_eq!(fp16(65_504.0), 65_504.0);
        assert_eq!(fp16(65_519.0), 65_504.0);
        assert_eq!(fp16(65_520.0), f32::INFINITY);
        assert_eq!(fp16(-70_000.0), f32::NEG_INFINITY);
        assert_eq!(fp16(2.9e-8), 0.0);
        assert_eq!(fp16(3e-8), 2_f32.powi(-24));
        assert_eq!(fp16(0.1), 0.099_975_586);
        assert!(fp16(f32::NAN).is_nan());
    }

    #[test]
    fn every_fp16_value_is_a_fixed_point() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits).to_f32();
            let rounded = fp16(value);
            assert!(rounded.to_bits() == value.to_bits() || value.is_nan());
        }
    }

    /// Round to nearest even done in f64 by scaling to the format's spacing: `fraction` bits,
    /// smallest normal exponent `least`, largest finite value `largest`.
    fn reference(value: f32, fraction: f64, least: f64, largest: f64) -> f32 {
        if !value.is_finite() {
            return value;
        }
        let exact = f64::from(value);
        let exponent = exact.abs().log2().floor().max(least);
        let spacing = 2_f64.powf(exponent - fraction);
        let rounded = (exact / spacing).round_ties_even() * spacing;
        if rounded.abs() > largest {
            f32::INFINITY.copysign(value)
        } else {
            (rounded as f32).copysign(value)
        }
    }

    proptest! {
        #[test]
        fn prop_both_formats_agree_with_rounding_by_scaling(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(!value.is_nan());
            let mut values = [value, value];
            round_slice(&mut values[..1], HalfFormat::Fp16);
            round_slice(&mut values[1..], HalfFormat::Bf16);
            let bf16_max = f64::from(bf16::MAX.to_f32());
            prop_assert_eq!(values[0].to_bits(), reference(value, 10.0, -14.0, 65_504.0).to_bits());
            prop_assert_eq!(values[1].to_bits(), reference(value, 7.0, -126.0, bf16_max).to_bits());
        }

        #[test]
        fn prop_counts_are_those_of_a_plain_loop(values in prop::collection::vec(-1e5_f32..1e5, 0..3000), tiny in 0_usize..50) {
            let mut values = values;
            values.extend((0..tiny).map(|i| 1e-9 * (i as f32)));
            let mut rounded = values.clone();
            let count = round_slice(&mut rounded, HalfFormat::Fp16);
            let pairs = || values.iter().zip(&rounded);
            prop_assert_eq!(count.overflow, pairs().filter(|(a, b)| a.is_finite() && b.is_infinite()).count() as u64);
            prop_assert_eq!(count.underflow, pairs().filter(|(a, b)| **a != 0.0 && **b == 0.0).count() as u64);
        }
    }
}
