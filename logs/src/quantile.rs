//! The quantile by which errors, resamples and durations are summarised.

/// Quantile with linear interpolation, the default of `numpy.quantile`: `p` from 0 to 1 of ascending values. Of no
/// values it is not a number.
#[must_use]
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let position = p * last as f64;
    let below = (position as usize).min(last);
    // Of a whole position the value there, whatever stands behind it.
    let above = (position.ceil() as usize).min(last);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (position - below as f64) * (high - low),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.quantile([1, 2, 4, 8], p)`.
    #[test]
    fn quantiles_agree_with_numpy() {
        for (p, golden) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], p) - golden).abs() < 1e-12);
        }
        assert!(quantile(&[], 0.5).is_nan());
    }
}
