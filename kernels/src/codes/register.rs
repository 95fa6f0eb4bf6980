//! Sixteen partial sums in a register, to which a piece of a row of codes adds its products.

#![expect(
    clippy::inline_always,
    unsafe_code,
    reason = "registers are intrinsics of a CPU found at run time, and only what is inlined is compiled for it"
)]

use crate::simd::LANES;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512, _mm_loadu_si128, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_fmadd_ps,
    _mm512_loadu_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_maskz_loadu_ps,
    _mm512_permutexvar_ps, _mm512_set1_ps, _mm512_srli_epi32, _mm512_storeu_ps,
};

/// Partial sums, or as many values.
pub(super) type Lanes = [f32; LANES];

/// Bytes of a piece of 4-bit codes: a word of 32 bits for each lane.
pub(super) const FOUR_BYTES: usize = 4 * LANES;

/// Codes of a word.
pub(super) const FOUR_PARTS: usize = 8;

/// A register of [`LANES`] FP32 values.
///
/// # Safety
/// Every function needs the CPU whose register it is.
pub(super) trait Register: Copy {
    /// The same value in every lane.
    unsafe fn of(x: f32) -> Self;

    /// Each of the values in as many lanes, one after the other.
    unsafe fn spread<const COUNT: usize>(values: &[f32; COUNT]) -> Self;

    unsafe fn lanes(self) -> Lanes;

    /// `a b + self`, rounded once.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;

    /// Adds the products of the eight codes of every word, part by part: in each byte the upper half first.
    unsafe fn plus_four(self, codes: &[u8; FOUR_BYTES], x: &[Lanes; FOUR_PARTS]) -> Self;

    /// Adds the product of every byte.
    unsafe fn plus_eight(self, codes: &[u8; LANES], x: &Lanes) -> Self;
}

/// Where code `part` of a word begins, in bits.
const fn place(part: usize) -> usize {
    4 * (part ^ 1)
}

/// What the compiler makes of it on any CPU.
impl Register for Lanes {
    #[inline(always)]
    unsafe fn of(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn spread<const COUNT: usize>(values: &[f32; COUNT]) -> Self {
        std::array::from_fn(|lane| values[lane * COUNT / LANES])
    }

    #[inline(always)]
    unsafe fn lanes(self) -> Lanes {
        self
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| a[i].mul_add(b[i], self[i]))
    }

    #[inline(always)]
    unsafe fn plus_four(mut self, codes: &[u8; FOUR_BYTES], x: &[Lanes; FOUR_PARTS]) -> Self {
        let words = codes.as_chunks::<4>().0;
        for (part, x) in x.iter().enumerate() {
            for lane in 0..LANES {
                // With its sign in the topmost bit, and back.
                let turned = u32::from_le_bytes(words[lane]) << (28 - place(part));
                let code = turned.cast_signed() >> 28;
                self[lane] = (code as f32).mul_add(x[lane], self[lane]);
            }
        }
        self
    }

    #[inline(always)]
    unsafe fn plus_eight(mut self, codes: &[u8; LANES], x: &Lanes) -> Self {
        for lane in 0..LANES {
            self[lane] = f32::from(codes[lane].cast_signed()).mul_add(x[lane], self[lane]);
        }
        self
    }
}

/// What a 4-bit code stands for.
#[cfg(target_arch = "x86_64")]
static VALUES: Lanes = [
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0,
];

#[cfg(target_arch = "x86_64")]
impl Register for __m512 {
    #[inline(always)]
    unsafe fn of(x: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn spread<const COUNT: usize>(values: &[f32; COUNT]) -> Self {
        const { assert!(COUNT > 0 && COUNT < LANES) };
        let places: [i32; LANES] = std::array::from_fn(|lane| (lane * COUNT / LANES) as i32);
        // SAFETY: the trait's; only values that there are are read.
        unsafe {
            if COUNT == 1 {
                return _mm512_set1_ps(values[0]);
            }
            let values = _mm512_maskz_loadu_ps((1 << COUNT) - 1, values.as_ptr());
            _mm512_permutexvar_ps(_mm512_loadu_epi32(places.as_ptr()), values)
        }
    }

    #[inline(always)]
    unsafe fn lanes(self) -> Lanes {
        let mut lanes = [0.0; LANES];
        // SAFETY: the trait's; there is room for all.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), self) };
        lanes
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { _mm512_fmadd_ps(a, b, self) }
    }

    #[inline(always)]
    unsafe fn plus_four(mut self, codes: &[u8; FOUR_BYTES], x: &[Lanes; FOUR_PARTS]) -> Self {
        // SAFETY: the trait's; what is loaded has the length of a register.
        unsafe {
            let words = _mm512_loadu_si512(codes.as_ptr().cast());
            let values = _mm512_loadu_ps(VALUES.as_ptr());
            // A permutation looks at the lowest four bits of each lane only, so that no code is cut out.
            macro_rules! part {
                ($($part:literal)*) => {$(
                    let places = _mm512_srli_epi32::<{ place($part) as u32 }>(words);
                    let code = _mm512_permutexvar_ps(places, values);
                    self = _mm512_fmadd_ps(code, _mm512_loadu_ps(x[$part].as_ptr()), self);
                )*};
            }
            part!(0 1 2 3 4 5 6 7);
            self
        }
    }

    #[inline(always)]
    unsafe fn plus_eight(self, codes: &[u8; LANES], x: &Lanes) -> Self {
        // SAFETY: the trait's; what is loaded has the length of a register, or of a quarter.
        unsafe {
            let codes = _mm512_cvtepi8_epi32(_mm_loadu_si128(codes.as_ptr().cast()));
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(codes), _mm512_loadu_ps(x.as_ptr()), self)
        }
    }
}
