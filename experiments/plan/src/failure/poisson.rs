//! How well a small count knows its mean.

use crate::PlanError;
use statrs::distribution::{ContinuousCDF, Gamma};

/// Exact interval for the mean of a Poisson variable of which `count` was seen, at `confidence`
/// (0.95 for 95 %): the lower end is the (1 − c)/2 quantile of the gamma distribution with shape k,
/// the upper the (1 + c)/2 quantile with shape k + 1 (Garwood 1936, "Fiducial limits for the
/// Poisson distribution"; half the chi-squared quantiles with 2k and 2k + 2 degrees of freedom).
pub fn count_interval(count: u64, confidence: f64) -> Result<(f64, f64), PlanError> {
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(PlanError::Size {
            what: "confidence".into(),
            value: confidence.to_string(),
            expected: "expected a number between 0 and 1".into(),
        });
    }
    let quantile = |shape: f64, share: f64| {
        let gamma = Gamma::new(shape, 1.0).map_err(|error| PlanError::Failed {
            what: "the interval of the failure rate",
            problem: error.to_string(),
        })?;
        Ok(gamma.inverse_cdf(share))
    };
    let tail = (1.0 - confidence) / 2.0;
    let low = if count == 0 {
        0.0
    } else {
        quantile(count as f64, tail)?
    };
    Ok((low, quantile(count as f64 + 1.0, 1.0 - tail)?))
}
