//! Rounding to 16 bits by integer operations, and the bits of magnitudes.

use crate::HalfFormat;
use cubecl::prelude::*;

/// 2⁻²⁴, the smallest positive FP16 value.
const SMALLEST_FP16: f32 = 1.0 / 16_777_216.0;

/// Bits of infinity, above which a magnitude's bits are those of NaN.
pub(super) const INFINITY: u32 = 0x7f80_0000;

/// The format a kernel rounds to, known when it is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rounded {
    No,
    Fp16,
    Bf16,
}

impl From<Option<HalfFormat>> for Rounded {
    fn from(format: Option<HalfFormat>) -> Self {
        match format {
            None => Self::No,
            Some(HalfFormat::Fp16) => Self::Fp16,
            Some(HalfFormat::Bf16) => Self::Bf16,
        }
    }
}

/// To nearest, ties to even, by integer operations: a device need not have the type, and Vulkan leaves open how its
/// conversion rounds.
#[cube]
pub(super) fn rounded(x: f32, #[comptime] format: Rounded) -> f32 {
    if comptime!(format == Rounded::Fp16) {
        to_fp16(x)
    } else if comptime!(format == Rounded::Bf16) {
        to_bf16(x)
    } else {
        x
    }
}

/// A number without its lowest `bits`, to nearest, ties to even.
#[cube]
fn without_lowest(number: u32, bits: u32) -> u32 {
    let odd = (number >> bits) & 1u32;
    let half = 1u32 << (bits - 1);
    (number + (half - 1) + odd) >> bits
}

#[cube]
fn to_fp16(x: f32) -> f32 {
    let bits = u32::reinterpret(x);
    let magnitude = bits & 0x7fff_ffffu32;
    let mut result = magnitude;
    if magnitude < 0x3880_0000u32 {
        // Below 2⁻¹⁴ the format has multiples of 2⁻²⁴. Exponents below 2⁻²⁵ leave nothing.
        let exponent = magnitude >> 23;
        if exponent < 101u32 {
            result = 0u32;
        } else {
            let mantissa = (magnitude & 0x007f_ffffu32) | 0x0080_0000u32;
            let multiples = without_lowest(mantissa, 126u32 - exponent);
            result = u32::reinterpret(f32::cast_from(multiples) * f32::new(SMALLEST_FP16));
        }
    } else if magnitude < 0x477f_f000u32 {
        result = without_lowest(magnitude, 13u32) << 13;
    } else if magnitude <= 0x7f80_0000u32 {
        // Half way from the largest value to the next, 65,520, and all above.
        result = 0x7f80_0000u32;
    }
    f32::reinterpret(result | (bits & 0x8000_0000u32))
}

#[cube]
fn to_bf16(x: f32) -> f32 {
    let bits = u32::reinterpret(x);
    let magnitude = bits & 0x7fff_ffffu32;
    let mut result = magnitude;
    // Not a NaN, of which the lowest bits may be all there is.
    if magnitude <= 0x7f80_0000u32 {
        result = without_lowest(magnitude, 16u32) << 16;
    }
    f32::reinterpret(result | (bits & 0x8000_0000u32))
}

/// A magnitude's bits, in the order of magnitudes, NaN last.
#[cube]
pub(super) fn magnitude_bits(x: f32) -> u32 {
    u32::reinterpret(x) & 0x7fff_ffffu32
}

#[cube]
pub(super) fn larger(a: u32, b: u32) -> u32 {
    let mut most = a;
    if b > a {
        most = b;
    }
    most
}
