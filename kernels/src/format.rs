//! Rounding to binary16 and bfloat16, in place on `f32` slices.

use crate::simd::vectorised;
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

impl HalfFormat {
    /// Largest finite value.
    #[must_use]
    pub fn largest(self) -> f32 {
        match self {
            Self::Fp16 => f16::MAX.to_f32(),
            Self::Bf16 => bf16::MAX.to_f32(),
        }
    }
}

/// What rounding did to the range of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RangeCount {
    /// Finite values beyond the largest of the format: they became infinite, or that one.
    pub overflow: u64,
    /// Values other than zero that became zero.
    pub underflow: u64,
    /// Largest magnitude among those that overflowed, before it was rounded; 0 without one.
    pub largest: f32,
}

impl std::ops::AddAssign for RangeCount {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.overflow += other.overflow;
        self.underflow += other.underflow;
        self.largest = self.largest.max(other.largest);
    }
}

/// Rounds every element to `format`, to nearest with ties to even, and counts range losses.
/// NaN stays NaN, infinities keep their sign.
pub fn round_slice(values: &mut [f32], format: HalfFormat) -> RangeCount {
    let mut count = RangeCount::default();
    round_onto(values, format, &mut count);
    count
}

/// [`round_slice`] that adds to a count, for the many short pieces of a tensor.
#[inline]
pub(crate) fn round_onto(values: &mut [f32], format: HalfFormat, count: &mut RangeCount) {
    match format {
        HalfFormat::Fp16 => round_fp16(values, count),
        HalfFormat::Bf16 => *count += round_bf16(values),
    }
}

/// [`round_onto`], but what would become infinite becomes the largest finite value with its sign, and so
/// does an infinity, as in CUDA's conversions with `__NV_SATFINITE`. NaN stays NaN. The same losses are
/// counted.
pub(crate) fn saturate_onto(values: &mut [f32], format: HalfFormat, count: &mut RangeCount) {
    round_onto(values, format, count);
    let largest = format.largest();
    for value in values {
        *value = value.clamp(-largest, largest);
    }
}

/// [`round_slice`] for values whose losses are of no interest or have been counted.
pub(crate) fn round_uncounted(values: &mut [f32], format: HalfFormat) {
    #[cfg(target_arch = "x86_64")]
    if format == HalfFormat::Fp16 && crate::simd::has_wide() {
        let (blocks, rest) = values.as_chunks_mut();
        // SAFETY: the CPU has AVX2 and F16C.
        #[expect(unsafe_code, reason = "conversions that the language has no word for")]
        unsafe {
            wide::round(blocks);
        }
        round_fp16_portable(rest);
        return;
    }
    round_slice(values, format);
}

/// FP16 by the CPU's own conversions where it has them.
#[inline]
fn round_fp16(values: &mut [f32], count: &mut RangeCount) {
    #[cfg(target_arch = "x86_64")]
    if crate::simd::has_wide() {
        let (blocks, rest) = values.as_chunks_mut();
        // SAFETY: the CPU has AVX2 and F16C.
        #[expect(unsafe_code, reason = "conversions that the language has no word for")]
        unsafe {
            wide::round_counting(blocks, count);
        }
        if !rest.is_empty() {
            *count += round_fp16_portable(rest);
        }
        return;
    }
    *count += round_fp16_portable(values);
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "loads and stores of vector code are pointer accesses"
)]
mod wide {
    use super::RangeCount;
    use std::arch::x86_64::{
        __m128i, __m256, _CMP_EQ_OQ, _CMP_LT_OQ, _CMP_NEQ_UQ, _MM_FROUND_TO_NEAREST_INT,
        _mm_and_si128, _mm_cmpeq_epi16, _mm_max_epu16, _mm_set1_epi16, _mm_sub_epi16,
        _mm_testz_si128, _mm256_and_ps, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cvtph_ps,
        _mm256_cvtps_ph, _mm256_loadu_ps, _mm256_movemask_ps, _mm256_set1_epi32, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps,
    };

    /// One AVX2 register.
    type Block = [f32; 8];

    /// Blocks that are looked at together for losses.
    const GROUP: usize = 4;

    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn load(block: &Block) -> __m256 {
        // SAFETY: a block holds eight values, and the access needs no alignment.
        unsafe { _mm256_loadu_ps(block.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn half(x: __m256) -> __m128i {
        _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn store(block: &mut Block, x: __m256) {
        // SAFETY: a block holds eight values, and the access needs no alignment.
        unsafe { _mm256_storeu_ps(block.as_mut_ptr(), x) };
    }

    #[target_feature(enable = "avx2,f16c,popcnt")]
    pub(super) fn round(blocks: &mut [Block]) {
        for block in blocks {
            let rounded = _mm256_cvtph_ps(half(load(block)));
            store(block, rounded);
        }
    }

    /// Zeros and infinities are rare among the results, and only they can be losses: the values
    /// before rounding are compared where a group has one.
    #[target_feature(enable = "avx2,f16c,popcnt")]
    pub(super) fn round_counting(blocks: &mut [Block], total: &mut RangeCount) {
        let mut count = RangeCount::default();
        let (groups, rest) = blocks.as_chunks_mut::<GROUP>();
        for group in groups {
            let before = group.each_ref().map(|block| load(block));
            let after = before.map(|x| half(x));
            let suspects = after.map(|h| extreme(h));
            let [a, b, c, d] = suspects;
            if any(_mm_max_epu16(_mm_max_epu16(a, b), _mm_max_epu16(c, d))) {
                for x in before {
                    compare(x, &mut count);
                }
            }
            for (block, h) in group.iter_mut().zip(after) {
                store(block, _mm256_cvtph_ps(h));
            }
        }
        for block in rest {
            let x = load(block);
            compare(x, &mut count);
            store(block, _mm256_cvtph_ps(half(x)));
        }
        *total += count;
    }

    /// At least 0x7bff, as unsigned numbers, where a half is zero, infinite or NaN.
    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn extreme(h: __m128i) -> __m128i {
        let magnitude = _mm_and_si128(h, _mm_set1_epi16(0x7fff));
        _mm_sub_epi16(magnitude, _mm_set1_epi16(1))
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn any(extreme: __m128i) -> bool {
        let limit = _mm_set1_epi16(0x7bff);
        let found = _mm_cmpeq_epi16(_mm_max_epu16(extreme, limit), extreme);
        _mm_testz_si128(found, found) == 0
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c,popcnt")]
    fn compare(x: __m256, count: &mut RangeCount) {
        let y = _mm256_cvtph_ps(half(x));
        let magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fff_ffff));
        let infinity = _mm256_set1_ps(f32::INFINITY);
        let zero = _mm256_setzero_ps();
        let infinite = _mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_and_ps(y, magnitude), infinity);
        let finite = _mm256_cmp_ps::<_CMP_LT_OQ>(_mm256_and_ps(x, magnitude), infinity);
        let vanished = _mm256_cmp_ps::<_CMP_EQ_OQ>(y, zero);
        let something = _mm256_cmp_ps::<_CMP_NEQ_UQ>(x, zero);
        let lost = |a, b| _mm256_movemask_ps(_mm256_and_ps(a, b)).count_ones();
        count.underflow += u64::from(lost(vanished, something));
        let beyond = lost(infinite, finite);
        if beyond > 0 {
            count.overflow += u64::from(beyond);
            let mut sizes = Block::default();
            store(&mut sizes, _mm256_and_ps(x, magnitude));
            count.largest = largest_finite(&sizes, count.largest);
        }
    }

    /// Of the magnitudes and `largest`: in a block where something overflows nothing finite is larger than that.
    /// Overflow is rare, and the loop around is not.
    #[cold]
    fn largest_finite(sizes: &Block, largest: f32) -> f32 {
        let finite = sizes.iter().filter(|size| size.is_finite());
        finite.fold(largest, |largest, size| largest.max(*size))
    }
}

fn round_fp16_portable(values: &mut [f32]) -> RangeCount {
    let mut count = RangeCount::default();
    for value in values {
        let rounded = f16::from_f32(*value).to_f32();
        if value.is_finite() && rounded.is_infinite() {
            count.overflow += 1;
            count.largest = count.largest.max(value.abs());
        }
        count.underflow += u64::from(*value != 0.0 && rounded == 0.0);
        *value = rounded;
    }
    count
}

vectorised! {
    /// bfloat16 is the upper half of FP32: adding half of the spacing, less one where the last kept
    /// bit is even, carries into it. NaN stays quiet.
    fn round_bf16(values: &mut [f32]) -> RangeCount {
        const INFINITY: u32 = 0x7f80_0000;
        let (mut overflow, mut underflow, mut largest) = (0_u64, 0_u64, 0_u32);
        for block in values.chunks_mut(1 << 24) {
            let mut lost = [0_u32; 2];
            for value in block {
                let bits = value.to_bits();
                let magnitude = bits & 0x7fff_ffff;
                let carried = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000;
                let quiet = (bits | 0x0040_0000) & 0xffff_0000;
                let rounded = if magnitude > INFINITY { quiet } else { carried };
                let after = rounded & 0x7fff_ffff;
                let beyond = after == INFINITY && magnitude < INFINITY;
                lost[0] += u32::from(beyond);
                largest = largest.max(if beyond { magnitude } else { 0 });
                lost[1] += u32::from(after == 0 && magnitude != 0);
                *value = f32::from_bits(rounded);
            }
            overflow += u64::from(lost[0]);
            underflow += u64::from(lost[1]);
        }
        // Magnitudes are ordered as their bits are.
        let largest = f32::from_bits(largest);
        RangeCount { overflow, underflow, largest }
    }
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
            let beyond = pairs().filter(|(a, b)| a.is_finite() && b.is_infinite());
            prop_assert_eq!(count.largest, beyond.map(|(a, _)| a.abs()).fold(0.0, f32::max));
            prop_assert_eq!(count.underflow, pairs().filter(|(a, b)| **a != 0.0 && **b == 0.0).count() as u64);
        }

        /// Saturating is rounding, and then infinities alone are something else.
        #[test]
        fn prop_saturating_changes_infinities_alone(bits in prop::collection::vec(any::<u32>(), 0..200), fp16 in any::<bool>()) {
            let format = if fp16 { HalfFormat::Fp16 } else { HalfFormat::Bf16 };
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            let (mut rounded, mut saturated) = (values.clone(), values);
            let count = round_slice(&mut rounded, format);
            let mut same = RangeCount::default();
            saturate_onto(&mut saturated, format, &mut same);
            prop_assert_eq!(same, count);
            for (rounded, saturated) in rounded.into_iter().zip(saturated) {
                let expected = if rounded.is_infinite() { format.largest().copysign(rounded) } else { rounded };
                prop_assert!(saturated.to_bits() == expected.to_bits() || rounded.is_nan() && saturated.is_nan());
            }
        }
    }

    /// The size of what did not fit is that before rounding, in both formats, and infinities have none.
    #[test]
    fn the_largest_value_beyond_the_range_is_known() {
        let mut values = [1.0, -70_000.0, 65_519.0, 3e6, f32::INFINITY, f32::NAN].repeat(9);
        assert_eq!(round_slice(&mut values, HalfFormat::Fp16).largest, 3e6);
        let mut values = [1.0, f32::MIN, f32::INFINITY].repeat(9);
        let count = round_slice(&mut values, HalfFormat::Bf16);
        assert_eq!((count.overflow, count.largest), (9, f32::MAX));
        assert_eq!(round_slice(&mut [65_504.0], HalfFormat::Fp16).largest, 0.0);
    }
}
