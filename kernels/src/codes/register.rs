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

/// Where rows of codes lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The first.
    pub(super) first: *const u8,
    /// Bytes from one to the next.
    pub(super) stride: usize,
}

impl Place {
    /// So many bytes further on in every row.
    ///
    /// # Safety
    /// They are there.
    #[inline(always)]
    pub(super) unsafe fn plus(self, bytes: usize) -> Self {
        Self {
            // SAFETY: the caller's.
            first: unsafe { self.first.add(bytes) },
            ..self
        }
    }

    /// A row.
    ///
    /// # Safety
    /// It is there.
    #[inline(always)]
    pub(super) unsafe fn row(self, row: usize) -> *const u8 {
        // SAFETY: the caller's.
        unsafe { self.first.add(row * self.stride) }
    }
}

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

    /// Adds to the sums of some rows of codes with each row of activations the products of the eight codes of every word, part
    /// by part: in each byte the upper half first.
    ///
    /// # Safety
    /// There are [`FOUR_BYTES`] at every row of `codes`, and three more where they are followed.
    unsafe fn add_four<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        is_followed: bool,
        x: &[[Lanes; M]; FOUR_PARTS],
    );

    /// Adds the product of every byte in the same way.
    ///
    /// # Safety
    /// There are [`LANES`] bytes at every row of `codes`.
    unsafe fn add_eight<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        x: &[Lanes; M],
    );
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
    unsafe fn add_four<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        _is_followed: bool,
        x: &[[Lanes; M]; FOUR_PARTS],
    ) {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the trait's.
            let codes = unsafe { codes.row(row).cast::<[u8; FOUR_BYTES]>().read() };
            let words = codes.as_chunks::<4>().0;
            for (part, x) in x.iter().enumerate() {
                let code: Self = std::array::from_fn(|lane| {
                    // With its sign in the topmost bit, and back.
                    let turned = u32::from_le_bytes(words[lane]) << (28 - place(part));
                    (turned.cast_signed() >> 28) as f32
                });
                add_products(sums, &code, x);
            }
        }
    }

    #[inline(always)]
    unsafe fn add_eight<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        x: &[Lanes; M],
    ) {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the trait's.
            let codes = unsafe { codes.row(row).cast::<[u8; LANES]>().read() };
            let codes = codes.map(|code| f32::from(code.cast_signed()));
            add_products(sums, &codes, x);
        }
    }
}

/// Of a code for each lane with each row of activations.
#[inline(always)]
fn add_products<const M: usize>(sums: &mut [Lanes; M], codes: &Lanes, x: &[Lanes; M]) {
    for (sums, x) in sums.iter_mut().zip(x) {
        for lane in 0..LANES {
            sums[lane] = codes[lane].mul_add(x[lane], sums[lane]);
        }
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
    unsafe fn add_four<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        is_followed: bool,
        x: &[[Lanes; M]; FOUR_PARTS],
    ) {
        // Rows are innermost, so that all share what is loaded of the activations. A permutation looks at the lowest four bits of
        // each lane only, so that no code is cut out.
        macro_rules! part {
            ($part:expr, $values:ident, |$row:ident| $places:expr) => {
                for ($row, sums) in sums.iter_mut().enumerate() {
                    let code = _mm512_permutexvar_ps($places, $values);
                    for (sum, x) in sums.iter_mut().zip(&x[$part]) {
                        *sum = _mm512_fmadd_ps(code, _mm512_loadu_ps(x.as_ptr()), *sum);
                    }
                }
            };
        }
        // Words that begin with a later byte are read from there, which spares every other shift: shifts share two ports with
        // all that multiplies, and loads have ports of their own. The codes of several rows of activations are shifted once.
        macro_rules! bytes {
            ($values:ident $($byte:literal)*) => {$(
                part!(2 * $byte, $values, |row| {
                    _mm512_srli_epi32::<4>(_mm512_loadu_si512(codes.row(row).add($byte).cast()))
                });
                part!(2 * $byte + 1, $values, |row| {
                    _mm512_loadu_si512(codes.row(row).add($byte).cast())
                });
            )*};
        }
        macro_rules! shifts {
            ($values:ident $($part:literal)*) => {$(
                part!($part, $values, |row| {
                    _mm512_srli_epi32::<{ place($part) as u32 }>(_mm512_loadu_si512(codes.row(row).cast()))
                });
            )*};
        }
        // SAFETY: the trait's; what is loaded of `x` has the length of a register.
        unsafe {
            let values = _mm512_loadu_ps(VALUES.as_ptr());
            if M == 1 && is_followed {
                bytes!(values 0 1 2 3);
            } else {
                shifts!(values 0 1 2 3 4 5 6 7);
            }
        }
    }

    #[inline(always)]
    unsafe fn add_eight<const N: usize, const M: usize>(
        sums: &mut [[Self; M]; N],
        codes: Place,
        x: &[Lanes; M],
    ) {
        // SAFETY: the trait's; what is loaded of `x` has the length of a register.
        unsafe {
            for (row, sums) in sums.iter_mut().enumerate() {
                let codes = _mm512_cvtepi8_epi32(_mm_loadu_si128(codes.row(row).cast()));
                let codes = _mm512_cvtepi32_ps(codes);
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum = _mm512_fmadd_ps(codes, _mm512_loadu_ps(x.as_ptr()), *sum);
                }
            }
        }
    }
}
