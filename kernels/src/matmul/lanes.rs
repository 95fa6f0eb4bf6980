//! Registers of FP32 values, as the innermost loops of a matrix product need them.

#![expect(
    clippy::inline_always,
    unsafe_code,
    reason = "registers are intrinsics of a CPU found at run time, and only what is inlined is compiled for it"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, _MM_HINT_T0, _mm_prefetch, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps,
    _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

/// A register of `COUNT` FP32 values.
///
/// # Safety
/// Every function needs the CPU whose register it is, `load` and `store` also `COUNT` values at their
/// pointer.
pub(super) trait Lanes: Copy {
    const COUNT: usize;

    unsafe fn load(from: *const f32) -> Self;

    unsafe fn store(self, to: *mut f32);

    /// Asks for a line of the cache that is needed soon; any address will do.
    unsafe fn fetch(at: *const f32);

    /// The same value in every lane.
    unsafe fn of(x: f32) -> Self;

    /// `a b + self`, rounded once.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
}

macro_rules! register {
    ($register:ty, $count:literal, $load:ident, $store:ident, $set:ident, $fma:ident) => {
        #[cfg(target_arch = "x86_64")]
        impl Lanes for $register {
            const COUNT: usize = $count;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the trait's.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the trait's.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn fetch(at: *const f32) {
                // SAFETY: the trait's.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
            }

            #[inline(always)]
            unsafe fn of(x: f32) -> Self {
                // SAFETY: the trait's.
                unsafe { $set(x) }
            }

            #[inline(always)]
            unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                // SAFETY: the trait's.
                unsafe { $fma(a, b, self) }
            }
        }
    };
}

register!(
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_fmadd_ps
);
register!(
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);

/// What the compiler makes of it on any CPU.
impl Lanes for [f32; 8] {
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn fetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn of(x: f32) -> Self {
        [x; 8]
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        std::array::from_fn(|i| a[i].mul_add(b[i], self[i]))
    }
}
