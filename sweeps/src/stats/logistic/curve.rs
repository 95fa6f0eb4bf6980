//! The failures of one arm along its doses, for a figure.

use super::firth::{Curve, fit};
use super::{Arm, Ld50, Trial, expanded_interval, seeds};
use crate::stats::{Interval, Proportion};
use std::collections::HashMap;

/// The runs of one dose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dose {
    /// The dose, above zero.
    pub dose: f64,
    /// Failed runs of all.
    pub count: Proportion,
}

/// What the runs of one arm say of a dose.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseCurve {
    /// What was seen, by ascending dose.
    pub doses: Vec<Dose>,
    /// Where half of the runs fail. [`Ld50::Between`] deserves a warning in a figure: the runs are separated, and the point at
    /// which a fitted curve crosses one half is only the middle of the doses that were tried.
    pub ld50: Ld50,
    /// Expanded percentile interval of the LD50 over seeds, as of [`ld50_ratio`](crate::stats::ld50_ratio); absent for fewer than
    /// two seeds, where more than a tenth of the resamples have no trend, and where the LD50 lies outside the doses tried.
    pub interval: Option<Interval>,
    fit: Option<Curve>,
}

impl DoseCurve {
    /// Share of runs that fail at a dose, by the fitted curve; absent where failures do not become more frequent with the dose.
    #[must_use]
    pub fn share(&self, dose: f64) -> Option<f64> {
        self.fit.map(|curve| curve.share(dose))
    }
}

/// The curve of one arm, with an interval at `level` from resamples drawn with `seed`. Absent without trials, and where a dose is
/// not finite and above zero.
#[must_use]
pub fn dose_curve(trials: &[Trial], level: f64, seed: u64) -> Option<DoseCurve> {
    let arm = Arm::new(trials, &seeds(trials, &[]))?;
    let cells = arm.all();
    let ld50 = arm.ld50(&cells);
    let known = matches!(ld50, Ld50::At(_) | Ld50::Between(_));
    let mut fitted = HashMap::new();
    let mut ends = |picked: &[usize]| {
        let fit = fitted.entry(arm.total(picked));
        fit.or_insert_with_key(|cells| arm.ld50(cells)).ends()
    };
    let interval = known.then(|| expanded_interval(arm.counts.len(), level, seed, &mut ends));
    let doses = arm.doses.iter().zip(&cells).map(|(dose, cell)| Dose {
        dose: *dose,
        count: Proportion::new(u64::from(cell.failures), u64::from(cell.runs)),
    });
    Some(DoseCurve {
        doses: doses.collect(),
        ld50,
        interval: interval.flatten(),
        fit: fit(&arm.doses, &cells),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs at doses 1, 2, 4, 8: how many of four seeds fail at each.
    fn curve(failures: [u64; 4]) -> DoseCurve {
        let trials = failures
            .into_iter()
            .zip([1.0, 2.0, 4.0, 8.0])
            .flat_map(|(failed, dose)| {
                (1..=4).map(move |seed| Trial {
                    seed,
                    dose,
                    failed: seed <= failed,
                })
            });
        dose_curve(&trials.collect::<Vec<_>>(), 0.95, 1).unwrap()
    }

    #[test]
    fn the_fitted_curve_crosses_one_half_at_the_ld50_and_rises() {
        let curve = curve([0, 1, 3, 4]);
        let Ld50::At(dose) = curve.ld50 else {
            panic!("{:?}", curve.ld50)
        };
        assert!((dose - 8f64.sqrt()).abs() < 1e-6, "by symmetry, {dose}");
        assert!((curve.share(dose).unwrap() - 0.5).abs() < 1e-12);
        assert!(curve.share(1.0) < curve.share(2.0) && curve.share(4.0) < curve.share(8.0));
        assert!(curve.interval.unwrap().holds(dose), "{:?}", curve.interval);
        assert_eq!(curve.doses[2].count, Proportion::new(3, 4));
    }

    #[test]
    fn separated_runs_have_two_ends_and_no_point() {
        let curve = curve([0, 0, 4, 4]);
        let ends = Interval {
            low: 2.0,
            high: 4.0,
        };
        assert_eq!(curve.ld50, Ld50::Between(ends));
        let interval = curve.interval.unwrap();
        assert!((interval.low - 2.0).abs() < 1e-12 && (interval.high - 4.0).abs() < 1e-12);
    }

    #[test]
    fn beyond_the_doses_nothing_has_an_interval() {
        assert_eq!(
            (curve([0; 4]).ld50, curve([0; 4]).interval),
            (Ld50::AboveAll(8.0), None)
        );
        assert_eq!(
            (curve([4; 4]).ld50, curve([4; 4]).interval),
            (Ld50::BelowAll(1.0), None)
        );
        assert_eq!(curve([4, 3, 1, 0]).share(2.0), None);
        assert_eq!(dose_curve(&[], 0.95, 1), None);
    }
}
