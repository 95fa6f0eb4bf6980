//! Zero point: scale = (max − min) / (2^bits − 2), and the smallest value is the smallest code (arXiv 2210.02414 B.8).

use crate::bits::Bits;
use crate::scale::{Scale, quotient};
use half::f16;

pub(super) fn fit(values: &[f32], bits: Bits) -> Scale {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = bits.largest();
    if least == most {
        // One code that is worth that value.
        return Scale {
            step: f16::from_f32(least),
            zero: Some(i32::from(least != 0.0)),
            largest,
        };
    }
    let step =
        f16::from_f32((most - least) / (2 * largest) as f32).max(f16::MIN_POSITIVE_SUBNORMAL);
    Scale {
        step,
        zero: Some(quotient(least, step).round_ties_even() as i32 + largest),
        largest,
    }
}
