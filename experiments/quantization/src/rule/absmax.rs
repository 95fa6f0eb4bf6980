//! Symmetric absmax: scale = absmax / (2^(bits − 1) − 1) (`quantization/layers.py`).

use super::{Scale, largest_magnitude};
use crate::scheme::Bits;
use half::f16;

pub(super) fn fit(values: &[f32], bits: Bits) -> Scale {
    of_largest(largest_magnitude(values), bits)
}

/// The scale by which `most` is the largest code; where FP16 has none so small, its smallest one.
pub(super) fn of_largest(most: f32, bits: Bits) -> Scale {
    let largest = bits.largest();
    let step = f16::from_f32(most / largest as f32);
    Scale {
        step: if most > 0.0 {
            step.max(f16::MIN_POSITIVE_SUBNORMAL)
        } else {
            step
        },
        zero: None,
        largest,
    }
}
