//! The metric along an axis, for example the learning rate.

use super::ByAxis;
use crate::card::{Settings, number};
use crate::stats::median;

/// One curve of the metric: the arms that differ in the dose alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    /// Values of the other axes.
    pub at: Settings,
    /// By dose, ascending.
    pub points: Vec<SensitivityPoint>,
    /// Mean over the doses of min(m, cap) − the least m, where m is the median at a dose and the cap what a run
    /// loses before it has learned anything: the learning-rate sensitivity of Wortsman et al. (arXiv 2309.14322,
    /// §2.2), in the unit of the metric. Their mean runs over a grid of equal ratios, and so should the doses.
    /// Absent without a cap, and below two doses.
    pub sensitivity: Option<f64>,
}

/// The runs at one dose.
#[derive(Debug, Clone, PartialEq)]
pub struct SensitivityPoint {
    /// The value of the axis.
    pub dose: f64,
    /// Metric of each finished run, not finite where the run has failed so.
    pub values: Vec<f64>,
    /// Their median, where one that is not finite counts as the largest; not finite where most are.
    pub median: f64,
}

impl ByAxis<'_> {
    /// A curve for each setting of the other axes with finished runs at two doses or more. `cap` as for
    /// [`Sensitivity::sensitivity`].
    #[must_use]
    pub fn sensitivity(&self, along: &str, cap: Option<f64>) -> Vec<Sensitivity> {
        let curves = self.others(&[along]).into_iter().map(|at| {
            let arms = self
                .at(&at, &[along])
                .into_iter()
                .filter_map(|(arm, runs)| {
                    let dose = arm.settings.get(along).and_then(number)?;
                    let values: Vec<f64> = runs.iter().filter_map(|run| run.metric).collect();
                    Some(SensitivityPoint {
                        dose,
                        median: upper_median(&values)?,
                        values,
                    })
                });
            let mut points: Vec<SensitivityPoint> = arms.collect();
            points.sort_by(|a, b| a.dose.total_cmp(&b.dose));
            let medians: Vec<f64> = points.iter().map(|point| point.median).collect();
            Sensitivity {
                at,
                sensitivity: cap.and_then(|cap| sensitivity(&medians, cap)),
                points,
            }
        });
        curves.filter(|curve| curve.points.len() > 1).collect()
    }
}

/// Median where what is not finite is larger than anything.
fn upper_median(values: &[f64]) -> Option<f64> {
    let ranked = values.iter().map(|value| {
        if value.is_finite() {
            *value
        } else {
            f64::INFINITY
        }
    });
    median(ranked.collect())
}

/// See [`Sensitivity::sensitivity`].
fn sensitivity(medians: &[f64], cap: f64) -> Option<f64> {
    if medians.len() < 2 {
        return None;
    }
    let capped: Vec<f64> = medians.iter().map(|value| value.min(cap)).collect();
    let least = capped.iter().copied().reduce(f64::min)?;
    let mean = capped.iter().map(|value| value - least).sum::<f64>() / capped.len() as f64;
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_curve_has_no_sensitivity_and_a_failed_rate_costs_what_was_never_learned() {
        assert_eq!(sensitivity(&[3.0, 3.0, 3.0], 4.0), Some(0.0));
        assert_eq!(
            sensitivity(&[3.25, 3.0, 3.5, 9.0], 4.0),
            Some((0.25 + 0.5 + 1.0) / 4.0)
        );
        assert_eq!(sensitivity(&[3.0, f64::INFINITY], 4.0), Some(0.5));
        assert_eq!(sensitivity(&[3.0], 4.0), None);
    }

    #[test]
    fn most_runs_decide_whether_a_median_is_finite() {
        assert_eq!(upper_median(&[f64::NAN, 3.0, 3.5]), Some(3.5));
        assert_eq!(
            upper_median(&[f64::NAN, f64::NEG_INFINITY, 3.5]),
            Some(f64::INFINITY)
        );
        assert_eq!(upper_median(&[]), None);
    }
}
