//! Absmax of a narrower range, where the values outside it lose less than all others gain.

use crate::bits::Bits;
use crate::scale::{Scale, largest_magnitude};

/// Factors that are tried, in percent: from the whole range to half of it.
const PERCENT: std::ops::RangeInclusive<u16> = 50..=100;

/// Values whose error is known before the next ones are looked at.
const PIECE: usize = 64;

pub(super) fn fit(values: &[f32], bits: Bits) -> Scale {
    let most = largest_magnitude(values);
    // The first of the best: the widest range.
    let mut best = (Scale::of_largest(most, bits), f64::INFINITY);
    for percent in PERCENT.rev() {
        let scale = Scale::of_largest(most * f32::from(percent) / 100.0, bits);
        let error = squared_error(values, scale, best.1);
        if error < best.1 {
            best = (scale, error);
        }
    }
    best.0
}

/// Of all values, or of so many that it has reached `most`: it only grows.
fn squared_error(values: &[f32], scale: Scale, most: f64) -> f64 {
    let mut worth = [0.0; PIECE];
    let mut sum = 0.0;
    for values in values.chunks(PIECE) {
        let worth = &mut worth[..values.len()];
        scale.nearest(worth, values);
        for (worth, value) in worth.iter().zip(values) {
            let error = f64::from(*worth) - f64::from(*value);
            sum += error * error;
        }
        if sum >= most {
            break;
        }
    }
    sum
}
