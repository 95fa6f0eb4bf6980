//! Loops compiled for the CPU at hand, and the functions that such loops need.
//!
//! The program is built for any x86-64 CPU; [`vectorised!`] compiles a function again with AVX2, FMA and
//! F16C, and once more with AVX-512, and picks at run time. All give the same bits: the compiler never
//! reorders or contracts floating-point arithmetic, and `mul_add` is correctly rounded each time.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined is compiled for the CPU at hand"
)]

#[cfg(target_arch = "x86_64")]
use std::arch::is_x86_feature_detected;
#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

/// Defines functions whose loops the compiler may turn into AVX2 or AVX-512 code.
macro_rules! vectorised {
    ($($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block)+) => {$(
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide($($argument: $type),*) $(-> $output)? {
                    portable($($argument),*)
                }
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,f16c")]
                fn widest($($argument: $type),*) $(-> $output)? {
                    portable($($argument),*)
                }
                if $crate::simd::has_widest() {
                    // SAFETY: the CPU has the features that `widest` is compiled for.
                    #[expect(unsafe_code, reason = "a function for a CPU found at run time")]
                    return unsafe { widest($($argument),*) };
                }
                if $crate::simd::has_wide() {
                    // SAFETY: the CPU has the features that `wide` is compiled for.
                    #[expect(unsafe_code, reason = "a function for a CPU found at run time")]
                    return unsafe { wide($($argument),*) };
                }
            }
            portable($($argument),*)
        }
    )+};
}
pub(crate) use vectorised;

/// Which compilations this CPU can run.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
struct Cpu {
    wide: bool,
    widest: bool,
}

#[cfg(target_arch = "x86_64")]
static CPU: LazyLock<Cpu> = LazyLock::new(|| {
    let wide = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt");
    let widest = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    Cpu {
        wide,
        widest: wide && widest,
    }
});

/// Whether this CPU has AVX2, FMA, F16C and POPCNT, as all with AVX2 do.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_wide() -> bool {
    CPU.wide
}

/// Whether this CPU has what the servers with AVX-512 all have, and AVX2 with its companions.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_widest() -> bool {
    CPU.widest
}

/// The widest instructions for which this crate's loops are compiled and which this CPU has: `avx512`,
/// `avx2`, or `portable` for what the program was built for.
#[must_use]
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if has_widest() {
            return "avx512";
        }
        if has_wide() {
            return "avx2";
        }
    }
    "portable"
}

/// Partial sums per sum: one AVX-512 register of FP32, or two of AVX2.
pub(crate) const LANES: usize = 16;

/// Sum of `term` over the elements of equally long slices, in [`LANES`] partial sums: fixed order,
/// vector code.
#[inline(always)]
pub(crate) fn lane_sum<const N: usize>(slices: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let blocks = slices.map(|slice| slice.as_chunks::<LANES>());
    let mut lanes = [0.0_f32; LANES];
    for i in 0..blocks[0].0.len() {
        let block = blocks.map(|(blocks, _)| &blocks[i]);
        for lane in 0..LANES {
            lanes[lane] += term(block.map(|block| block[lane]));
        }
    }
    // Apart from the lanes, which otherwise would not stay in a register.
    let mut rest = [0.0_f32; LANES];
    for i in 0..blocks[0].1.len() {
        rest[i] = term(blocks.map(|(_, rest)| rest[i]));
    }
    for lane in 0..LANES {
        lanes[lane] += rest[lane];
    }
    halved(lanes, |a, b| a + b)
}

/// Lane `i` with lane `i + n / 2` until one is left.
#[inline(always)]
pub(crate) fn halved(lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    // A loop over the lengths would keep the lanes in memory.
    let eight: [f32; 8] = std::array::from_fn(|i| join(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| join(eight[i], eight[i + 4]));
    let two = [join(four[0], four[2]), join(four[1], four[3])];
    join(two[0], two[1])
}

/// Asks for the line of the cache so many bytes behind `from`, which may lie beyond what there is.
#[inline(always)]
pub(crate) fn fetch<T>(from: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = from.cast::<i8>().wrapping_add(bytes);
        // SAFETY: nothing is read, and an address that is none is passed over.
        #[expect(
            unsafe_code,
            reason = "an instruction that the language has no word for"
        )]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(place);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, bytes);
}

/// Below it `e^x` counts as 0: the smallest normal FP32 value.
const EXP_LOW: f32 = -87.336_54;

/// `e^x` for `x` at most 88, within 2 units in the last place; 0 where the result would be
/// subnormal, NaN for NaN.
///
/// `x = n ln 2 + r`, `e^x = 2^n e^r`; the polynomial for `e^r` is a minimax fit, error 2e-9.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 rounds to an integer, which then is the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = EXP[4];
    for c in EXP[..4].iter().rev() {
        p = p.mul_add(r, *c);
    }
    let y = (p * r).mul_add(r, r) + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < EXP_LOW { 0.0 } else { y * power }
}

/// `e^r = 1 + r + r² (EXP[0] + EXP[1] r + ...)` for `|r| ≤ ln 2 / 2`.
const EXP: [f32; 5] = [
    0.499_999_94,
    0.166_665_21,
    0.041_668_39,
    0.008_368_717,
    0.001_381_459_2,
];

/// Distribution function Φ and density φ of the standard normal distribution.
///
/// `Φ(-z) = e^(-z²/2) R(z)` for z ≥ 0 with Mills' ratio R over √2π, a smooth function: here a
/// polynomial in `1 / (1 + 0.26 z)` fitted for its relative error, 3e-8.
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    let z = x.abs();
    let t = 0.26_f32.mul_add(z, 1.0).recip();
    let mut p = MILLS[8];
    for c in MILLS[..8].iter().rev() {
        p = p.mul_add(t, *c);
    }
    let e = exp(z * z * -0.5);
    let tail = e * (p * t);
    let distribution = if x > 0.0 { 1.0 - tail } else { tail };
    (distribution, e * INVERSE_ROOT)
}

/// `1 / √(2π)`
const INVERSE_ROOT: f32 = 0.398_942_3;

const MILLS: [f32; 9] = [
    0.103_757_024,
    0.103_050_955,
    0.102_788_836,
    0.051_964_164,
    0.158_760_44,
    -0.147_791_97,
    0.248_735_68,
    -0.151_495_71,
    0.030_230_582,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ by Simpson's rule over the density from 0, in f64; tails from Mills' continued fraction.
    fn exact_normal(x: f64) -> f64 {
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let z = x.abs();
        let tail = if z > 3.0 {
            let fraction = (1..200).rev().fold(z, |f, k| z + f64::from(k) / f);
            density(z) / fraction
        } else {
            let n = 2000;
            let h = z / f64::from(n);
            let inner: f64 = (1..n)
                .map(|k| density(f64::from(k) * h) * if k % 2 == 1 { 4.0 } else { 2.0 })
                .sum();
            0.5 - (density(0.0) + inner + density(z)) * h / 3.0
        };
        if x > 0.0 { 1.0 - tail } else { tail }
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for i in 0..200_000 {
            let x = -87.3 + 0.000_875 * i as f32;
            if x > 88.0 {
                break;
            }
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(error < 2.4e-7, "exp({x}): {error:e}");
        }
        assert_eq!(
            (exp(0.0), exp(-1e4), exp(f32::NEG_INFINITY)),
            (1.0, 0.0, 0.0)
        );
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_holds_its_relative_error_far_into_the_tail() {
        for i in -1200..=1200 {
            let x = 0.01 * i as f32;
            let (distribution, density) = normal(x);
            let exact = exact_normal(f64::from(x));
            let error = (f64::from(distribution) / exact - 1.0).abs();
            // The exponent z²/2 is rounded before it is raised.
            let bound = 3e-7 + f64::from(x * x) * 4e-8;
            assert!(error < bound, "Φ({x}): {error:e}");
            let exact = (-0.5 * f64::from(x).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt();
            assert!((f64::from(density) / exact - 1.0).abs() < bound, "φ({x})");
        }
        assert!(normal(f32::NAN).0.is_nan());
        assert_eq!(
            (normal(f32::INFINITY).0, normal(f32::NEG_INFINITY).0),
            (1.0, 0.0)
        );
    }

    vectorised! {
        fn sum_of_exponentials(values: &[f32]) -> f32 {
            lane_sum([values], |[x]| exp(x))
        }
    }

    #[test]
    fn both_compilations_give_the_same_bits() {
        let values: Vec<f32> = (0..1003).map(|i| -0.07 * i as f32).collect();
        // Here nothing is vectorised: this test is compiled for any CPU.
        let plain = lane_sum([&values], |[x]| exp(x));
        assert_eq!(sum_of_exponentials(&values).to_bits(), plain.to_bits());
    }
}
