//! Smoothing as `TensorBoard` does it.

/// Exponential moving average without the pull towards zero at the start:
/// s ← w·s + (1 − w)·y, n ← n + 1, drawn is s / (1 − wⁿ).
///
/// Source: `resmoothDataset` of `TensorBoard`'s line chart; the same correction as in Adam
/// (arXiv 1412.6980, §3). Values that are not finite are skipped and drawn nowhere: one NaN must not
/// erase the rest of a curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Ema {
    weight: f64,
    sum: f64,
    /// wⁿ
    decay: f64,
}

impl Ema {
    /// `weight` in [0, 1): 0 leaves the curve as it is, .99 is very smooth. Values outside are
    /// brought into the range.
    #[must_use]
    pub fn new(weight: f64) -> Self {
        let weight = if weight.is_nan() { 0.0 } else { weight };
        Self {
            weight: weight.clamp(0.0, 0.9999),
            sum: 0.0,
            decay: 1.0,
        }
    }

    /// Takes the next value and returns the smoothed one; none for a value that is not finite.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        self.sum = self.weight * self.sum + (1.0 - self.weight) * value;
        self.decay *= self.weight;
        Some(self.sum / (1.0 - self.decay))
    }
}

/// Smooths a curve of (x, y); see [`Ema`]. Points whose y is not finite are left out.
#[must_use]
pub fn ema(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let mut ema = Ema::new(weight);
    points
        .iter()
        .filter_map(|&(x, y)| Some((x, ema.push(y)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_tensorboard_by_hand() {
        // w = .5: s = 1, 2, 3.5 after unbiasing (.5·2)/.5, (.5·1 + .5·3.5 ...)/.75 and so on.
        let mut ema = Ema::new(0.5);
        assert_eq!(ema.push(2.0), Some(2.0));
        assert_eq!(ema.push(5.0), Some((0.5 * 1.0 + 2.5) / 0.75));
        assert_eq!(ema.push(8.0), Some((0.5 * 3.0 + 4.0) / 0.875));
    }

    #[test]
    fn a_constant_stays_and_weight_zero_changes_nothing() {
        let constant: Vec<_> = (0..50).map(|i| (f64::from(i), 3.0)).collect();
        for (_, y) in ema(&constant, 0.9) {
            assert!((y - 3.0).abs() < 1e-12);
        }
        let line: Vec<_> = (0..50).map(|i| (f64::from(i), f64::from(i))).collect();
        assert_eq!(ema(&line, 0.0), line);
    }

    #[test]
    fn one_nan_does_not_erase_the_rest() {
        let points = [
            (0.0, 1.0),
            (1.0, f64::NAN),
            (2.0, f64::INFINITY),
            (3.0, 1.0),
        ];
        let smooth = ema(&points, 0.9);
        assert_eq!(smooth.len(), 2);
        assert!((smooth[1].1 - 1.0).abs() < 1e-12);
        assert!(Ema::new(1.0).push(1.0).unwrap().is_finite());
        assert!(Ema::new(f64::NAN).push(1.0).unwrap().is_finite());
    }
}
