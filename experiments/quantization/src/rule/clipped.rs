//! Absmax of a narrower range, where the values outside it lose less than all others gain.

use crate::bits::Bits;
use crate::scale::{Scale, largest_magnitude};

/// Factors that are tried, in percent: from the whole range to half of it.
const PERCENT: std::ops::RangeInclusive<u16> = 50..=100;

pub(super) fn fit(values: &[f32], bits: Bits) -> Scale {
    let most = largest_magnitude(values);
    let tried = PERCENT.rev().map(|percent| {
        let scale = Scale::of_largest(most * f32::from(percent) / 100.0, bits);
        (scale, squared_error(values, scale))
    });
    // The first of the best: the widest range.
    let best = tried.reduce(|best, next| if next.1 < best.1 { next } else { best });
    best.map_or_else(|| Scale::of_largest(most, bits), |(scale, _)| scale)
}

fn squared_error(values: &[f32], scale: Scale) -> f64 {
    let errors = values.iter().map(|value| {
        let error = f64::from(scale.value(scale.code(*value))) - f64::from(*value);
        error * error
    });
    errors.sum()
}
