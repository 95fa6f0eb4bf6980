//! What a matrix lost, and what its weights look like.

use serde::Serialize;

/// Standard deviations from the mean beyond which a weight counts as an outlier.
const OUTLIER: f64 = 6.0;

/// How the weights of a matrix are distributed (GLM-130B argues with their width and symmetry, arXiv 2210.02414 §4, Fig. 5).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shape {
    /// Fourth moment over the squared variance, less 3: 0 for a normal distribution. NaN for constant weights.
    pub excess_kurtosis: f64,
    /// Third moment over the variance to the power of 1.5; 0 where symmetric.
    pub skewness: f64,
    /// Share of weights more than six standard deviations from the mean.
    pub outlier_share: f64,
    /// Largest magnitude of a row over its root mean square, mean over the rows.
    pub absmax_over_rms: f64,
}

impl Shape {
    /// Of a matrix with so many columns, row by row.
    #[must_use]
    pub fn of(values: &[f32], columns: usize) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let moment = |power: i32| {
            let powers = values.iter().map(|v| (f64::from(*v) - mean).powi(power));
            powers.sum::<f64>() / n
        };
        let variance = moment(2);
        let far = OUTLIER * variance.sqrt();
        let outliers = values
            .iter()
            .filter(|v| (f64::from(**v) - mean).abs() > far);
        let peaks: Vec<f64> = values.chunks_exact(columns).filter_map(peak).collect();
        Self {
            excess_kurtosis: moment(4) / variance.powi(2) - 3.0,
            skewness: moment(3) / variance.powf(1.5),
            outlier_share: outliers.count() as f64 / n,
            absmax_over_rms: peaks.iter().sum::<f64>() / peaks.len() as f64,
        }
    }
}

/// The largest magnitude of a row over its root mean square; nothing of an empty one.
fn peak(row: &[f32]) -> Option<f64> {
    let squares: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
    let rms = (squares / row.len() as f64).sqrt();
    let most = row.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max);
    (rms > 0.0).then(|| most / rms)
}

/// The distance between a matrix and what its codes stand for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// Root of the sum of squared errors over the root of the sum of squares. 0 where nothing was lost, also of nothing.
    pub relative: f64,
    /// The largest error.
    pub largest: f64,
}

impl Loss {
    /// Between weights and what stands for them.
    ///
    /// # Panics
    ///
    /// Where they are not equally many.
    #[must_use]
    pub fn between(weights: &[f32], stand_in: &[f32]) -> Self {
        assert_eq!(weights.len(), stand_in.len());
        let errors = weights.iter().zip(stand_in);
        let errors = errors.map(|(weight, other)| f64::from(*weight) - f64::from(*other));
        let lost: f64 = errors.clone().map(|error| error * error).sum();
        let whole: f64 = weights
            .iter()
            .map(|weight| f64::from(*weight).powi(2))
            .sum();
        Self {
            relative: if lost == 0.0 {
                0.0
            } else {
                (lost / whole).sqrt()
            },
            largest: errors.map(f64::abs).fold(0.0, f64::max),
        }
    }
}
