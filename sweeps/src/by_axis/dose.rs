//! The share of runs with the event along an axis.

use super::ByAxis;
use crate::card::{Settings, number};
use crate::stats::{DoseCurve, Trial, dose_curve};

/// Of every bootstrap, so that a curve is the same each time.
const SEED: u64 = 20_221_005;
/// Confidence of the interval.
const LEVEL: f64 = 0.95;

/// The arms that differ in the dose alone.
#[derive(Debug, Clone, PartialEq)]
pub struct DosesOfArms {
    /// Values of the other axes.
    pub at: Settings,
    /// Runs with the event, of those of which it is known, and where it is half of them.
    pub curve: DoseCurve,
}

impl ByAxis<'_> {
    /// A curve for each setting of the other axes with runs at two doses or more.
    #[must_use]
    pub fn doses(&self, along: &str) -> Vec<DosesOfArms> {
        let curve = |at: Settings| {
            let trials = self.at(&at, &[along]).into_iter().flat_map(|(arm, runs)| {
                let dose = arm.settings.get(along).and_then(number);
                runs.iter().filter_map(move |run| {
                    let (seed, failed) = (run.seed, run.shows(&self.event)?);
                    let dose = dose?;
                    Some(Trial { seed, dose, failed })
                })
            });
            let trials: Vec<Trial> = trials.collect();
            let curve = dose_curve(&trials, LEVEL, SEED)?;
            Some(DosesOfArms { at, curve })
        };
        let curves = self.others(&[along]).into_iter().filter_map(curve);
        curves.filter(|found| found.curve.doses.len() > 1).collect()
    }
}
