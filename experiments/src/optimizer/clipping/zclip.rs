//! `ZClip` (arXiv 2504.02507; the authors' package zclip 1.0.0, `zclip/zclip.py`).

use super::shrink_to;
use serde::{Deserialize, Serialize};

/// Steps whose norms give the first mean and variance.
const WARMUP_STEPS: usize = 25;
/// Share α of the old value in mean and variance.
const EMA: f64 = 0.97;
/// Standard deviations above the mean from which a norm is clipped.
const Z_THRESHOLD: f64 = 2.5;
/// Added to the standard deviation in the z-score.
const EPS: f64 = 1e-6;

/// Clips a norm that stands out from the moving average of the norms before it.
///
/// With mean μ and standard deviation σ of the norms, `z = (n - μ) / (σ + 1e-6)`. Above 2.5 the norm
/// is cut to `μ + 2.5 σ / (z / 2.5)`, so that a worse outlier is cut lower ("adaptive scaling", the
/// authors' default). Then `μ ← 0.97 μ + 0.03 n*` and `σ² ← 0.97 σ² + 0.03 (n* - μ)²` with the new
/// μ, where n* is the norm after this cut.
///
/// The fixed limit (`max_grad_norm` of the package, 1.0 by default there) holds in warm-up and
/// after it, whichever of the two cuts lower, and does not enter the statistics. Where it lies below
/// the usual norm it clips nearly every step and hides the z-score.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ZClip {
    /// Norms seen in warm-up; empty after it.
    warmup: Vec<f64>,
    /// None until warm-up has ended.
    statistics: Option<Statistics>,
}

/// Moving averages, in units of the norm and of its square.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Statistics {
    mean: f64,
    variance: f64,
}

impl ZClip {
    /// The factor for a finite norm.
    pub(super) fn coefficient(&mut self, limit: f64, norm: f64) -> f64 {
        let Some(statistics) = &mut self.statistics else {
            self.warmup.push(norm);
            if self.warmup.len() >= WARMUP_STEPS {
                self.statistics = Some(Statistics::of(&self.warmup));
                self.warmup = Vec::new();
            }
            return shrink_to(limit, norm);
        };
        let target = statistics.target(norm);
        statistics.update(target.unwrap_or(norm));
        let own = target.map_or(1.0, |target| target / norm);
        own.min(shrink_to(limit, norm))
    }
}

impl Statistics {
    fn of(norms: &[f64]) -> Self {
        let count = norms.len() as f64;
        let mean = norms.iter().sum::<f64>() / count;
        let squares: f64 = norms.iter().map(|n| (n - mean).powi(2)).sum();
        Self {
            mean,
            variance: squares / count,
        }
    }

    /// What an outlier is cut to.
    fn target(&self, norm: f64) -> Option<f64> {
        let deviation = self.variance.sqrt();
        let z = (norm - self.mean) / (deviation + EPS);
        (z > Z_THRESHOLD).then(|| self.mean + Z_THRESHOLD * deviation / (z / Z_THRESHOLD))
    }

    fn update(&mut self, norm: f64) {
        self.mean = EMA * self.mean + (1.0 - EMA) * norm;
        self.variance = EMA * self.variance + (1.0 - EMA) * (norm - self.mean).powi(2);
    }
}
