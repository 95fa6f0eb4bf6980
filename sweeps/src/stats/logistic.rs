//! The dose at which half the runs fail, for example the largest stable learning rate.

mod curve;
mod firth;

use crate::stats::Interval;
use crate::stats::bootstrap::{BOOTSTRAP_RESAMPLES, replicates};
pub use curve::{Dose, DoseCurve, dose_curve};
use firth::fit;
use logs::quantile::quantile;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use firth::Cell;

/// One run at one dose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Seed of the run.
    pub seed: u64,
    /// Dose, for example a learning rate; above zero.
    pub dose: f64,
    /// Whether the run failed.
    pub failed: bool,
}

/// Where half the runs fail, in the unit of the dose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ld50 {
    /// At this dose, where the fitted curve is at one half; within the doses tried.
    At(f64),
    /// Between two neighbouring doses: no run failed at the first and below, every run failed at
    /// the second and above. Any dose between fits the runs as well as any other.
    Between(Interval),
    /// Above the highest dose, given here: a lower bound. No run failed, or the fitted dose lies
    /// outside what was tried, where nothing supports the curve.
    AboveAll(f64),
    /// Below the lowest dose, given here: an upper bound. Every run failed, or as above.
    BelowAll(f64),
    /// Failures do not become more frequent with the dose, or the trials allow no fit.
    NoTrend,
}

impl Ld50 {
    /// The doses in which it lies, censored to the range that was tried: a point but for
    /// [`Ld50::Between`]; absent without a trend.
    #[must_use]
    pub fn ends(self) -> Option<Interval> {
        match self {
            Self::At(dose) | Self::AboveAll(dose) | Self::BelowAll(dose) => Some(Interval {
                low: dose,
                high: dose,
            }),
            Self::Between(ends) => Some(ends),
            Self::NoTrend => None,
        }
    }

    /// The doses in which it lies, as far as is known: without an upper end, infinity, above the
    /// range that was tried, and from 0 below it; absent without a trend.
    #[must_use]
    pub fn known(self) -> Option<Interval> {
        let ends = self.ends()?;
        Some(match self {
            Self::AboveAll(_) => Interval {
                high: f64::INFINITY,
                ..ends
            },
            Self::BelowAll(_) => Interval { low: 0.0, ..ends },
            Self::At(_) | Self::Between(_) | Self::NoTrend => ends,
        })
    }

    /// Whether it lies above `other` for certain: no dose that it may have is as low as one that the
    /// other may have. Two neighbouring intervals, of which neither holds its ends, are in order.
    #[must_use]
    pub fn lies_above(self, other: Self) -> bool {
        let (Some(this), Some(that)) = (self.known(), other.known()) else {
            return false;
        };
        let points = matches!((self, other), (Self::At(_), Self::At(_)));
        this.low > that.high || (this.low == that.high && !points)
    }
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Known {
    /// It lies in these ends.
    Within(Interval),
    /// It lies above this, and nothing else is known.
    Above(f64),
    /// It lies below this, and nothing else is known.
    Below(f64),
}

/// Treatment's LD50 over the control's, without unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratios that fit the runs: of the lowest dose of the treatment over the highest of the
    /// control, and the other way round. A point unless an arm is `Between`, and a bound where one
    /// is beyond the doses tried.
    pub ends: Interval,
    /// Bootstrap interval over seeds; absent for fewer than two seeds, where more than a tenth of the
    /// resamples have an arm without a trend, and where a dose lies outside those tried, because
    /// then the ratio has no known end on one side.
    pub interval: Option<Interval>,
    /// LD50 of the treatment.
    pub treatment: Ld50,
    /// LD50 of the control.
    pub control: Ld50,
}

impl Ratio {
    /// What the doses say of it: where one lies outside those tried, a bound to one side.
    #[must_use]
    pub fn known(self) -> Known {
        match (self.treatment, self.control) {
            (Ld50::AboveAll(_), _) | (_, Ld50::BelowAll(_)) => Known::Above(self.ends.low),
            (Ld50::BelowAll(_), _) | (_, Ld50::AboveAll(_)) => Known::Below(self.ends.high),
            (
                Ld50::At(_) | Ld50::Between(_) | Ld50::NoTrend,
                Ld50::At(_) | Ld50::Between(_) | Ld50::NoTrend,
            ) => Known::Within(self.ends),
        }
    }

    /// The geometric middle of [`Ratio::ends`], or where only a bound is known that bound.
    #[must_use]
    pub fn middle(self) -> f64 {
        match self.known() {
            Known::Within(ends) => (ends.low * ends.high).sqrt(),
            Known::Above(bound) | Known::Below(bound) => bound,
        }
    }
}

/// For every seed of both arms, how many more of its runs failed under the control than under the
/// treatment, over the doses that both arms ran. Above zero: the treatment stands more. If the
/// arms do not differ, each of these is as likely to have the other sign, so
/// [`sign_flip`](crate::stats::sign_flip) of them is an exact test of equal LD50s, whatever the
/// shape of the curve, on separated data, and however few seeds there are.
#[must_use]
pub fn failure_differences(treatment: &[Trial], control: &[Trial]) -> Vec<f64> {
    let mut of_seed = BTreeMap::<u64, Vec<&Trial>>::new();
    for run in control {
        of_seed.entry(run.seed).or_default().push(run);
    }
    let mut differences = BTreeMap::<u64, f64>::new();
    for run in treatment {
        let others = of_seed.get(&run.seed).into_iter().flatten();
        for twin in others.filter(|other| other.dose == run.dose) {
            *differences.entry(run.seed).or_default() +=
                f64::from(i8::from(twin.failed) - i8::from(run.failed));
        }
    }
    differences.into_values().collect()
}

/// Dose at which a logistic curve on log₂ dose gives P(fail) = ½. Fitted by Firth's penalised
/// likelihood (Firth, Biometrika 80:27, 1993; Heinze & Schemper, Statistics in Medicine 21:2409,
/// 2002), because small sweeps are often separated — all runs below some dose fine, all above it
/// failed — and plain likelihood has no maximum then. Where all seeds together are separated, the
/// fit would lie at the middle of the two doses between which the runs change, wherever the truth
/// lies between them: then these two are the answer.
///
/// [`Ld50::NoTrend`] when the slope is not positive, at a single dose with both outcomes, without
/// trials, and when a dose is not finite and above zero.
#[must_use]
pub fn ld50(trials: &[Trial]) -> Ld50 {
    Arm::new(trials, &seeds(trials, &[])).map_or(Ld50::NoTrend, |arm| arm.ld50(&arm.all()))
}

/// Ratio of the LD50 of two arms with an expanded percentile interval (Hesterberg, The American
/// Statistician 69:371, 2015) from 4,000 resamples of seeds. Both arms get the same
/// resampled seeds, because common random numbers pair their runs; a seed that one arm lacks adds
/// nothing to it. The interval says how large a difference is; whether there is one is for
/// [`failure_differences`]. At level 0.95 and equal arms over seven doses, 1,000 simulated sweeps
/// each excluded 1 in 2 to 5 of 100 for 5 to 20 seeds, but in up to 10 of 100 for three, which
/// have only ten different resamples.
///
/// An LD50 outside the doses of its arm, in a resample or in the data, is censored to the end of
/// the range. When both arms ran the same doses this only draws ratios towards 1: an interval
/// that excludes 1 would do so uncensored, while its outer end is a bound, as is the ratio. Where
/// a resample is separated, its lowest ratio counts for the lower end and its highest for the
/// upper. Resamples in which an arm has no trend are dropped.
///
/// Absent when an arm has no trend, and when both lie beyond the same end, because then nothing is
/// known of their ratio.
#[must_use]
pub fn ld50_ratio(treatment: &[Trial], control: &[Trial], level: f64, seed: u64) -> Option<Ratio> {
    let seeds = seeds(treatment, control);
    let (first, second) = (Arm::new(treatment, &seeds)?, Arm::new(control, &seeds)?);
    let (treatment, control) = (first.ld50(&first.all()), second.ld50(&second.all()));
    let ends = match (treatment, control) {
        (Ld50::AboveAll(_), Ld50::AboveAll(_)) | (Ld50::BelowAll(_), Ld50::BelowAll(_)) => None,
        _ => Some(quotient(treatment.ends()?, control.ends()?)),
    }?;
    let ratio = Ratio {
        ends,
        interval: None,
        treatment,
        control,
    };
    Some(match ratio.known() {
        Known::Within(_) => Ratio {
            interval: ratio_interval(&first, &second, level, seed),
            ..ratio
        },
        Known::Above(_) | Known::Below(_) => ratio,
    })
}

/// All ratios of a dose in one interval to a dose in the other.
fn quotient(treatment: Interval, control: Interval) -> Interval {
    Interval {
        low: treatment.low / control.high,
        high: treatment.high / control.low,
    }
}

/// Expanded percentile interval of the ratio of two arms over the same seeds.
fn ratio_interval(treatment: &Arm, control: &Arm, level: f64, seed: u64) -> Option<Interval> {
    // Resamples of a few seeds give the same table again and again; a fit costs far more than
    // looking it up.
    let mut fitted = [HashMap::new(), HashMap::new()];
    let mut ratio = |picked: &[usize]| {
        let mut ends = [treatment, control]
            .into_iter()
            .zip(&mut fitted)
            .map(|(arm, fitted)| {
                let fit = fitted
                    .entry(arm.total(picked))
                    .or_insert_with_key(|cells| arm.ld50(cells));
                fit.ends()
            });
        Some(quotient(ends.next()??, ends.next()??))
    };
    expanded_interval(treatment.counts.len(), level, seed, &mut ratio)
}

/// Expanded percentile interval over `n` seeds of what lies, for the seeds that were picked, between two ends above zero.
fn expanded_interval(
    n: usize,
    level: f64,
    seed: u64,
    ends: &mut dyn FnMut(&[usize]) -> Option<Interval>,
) -> Option<Interval> {
    if n < 2 {
        return None;
    }
    let tail = expanded_tail(n, level);
    let mut end = |p: f64, side: fn(Interval) -> f64| {
        let log = |picked: &[usize]| ends(picked).map_or(f64::NAN, |ends| side(ends).ln());
        Some(quantile(&replicates(n, BOOTSTRAP_RESAMPLES, log, seed)?, p).exp())
    };
    Some(Interval {
        low: end(tail, |ends| ends.low)?,
        high: end(1.0 - tail, |ends| ends.high)?,
    })
}

/// Share of replicates to cut at each end: Φ(−√(n/(n−1)) t(n−1)), which turns the percentile
/// interval of a mean into Student's t interval. The plain percentiles of five seeds would
/// exclude a true ratio of 1 in 14 of 100 sweeps at level 0.95.
fn expanded_tail(n: usize, level: f64) -> f64 {
    let freedom = n as f64 - 1.0;
    let t = StudentsT::new(0.0, 1.0, freedom)
        .map_or(f64::INFINITY, |t| t.inverse_cdf(f64::midpoint(1.0, level)));
    Normal::standard().cdf(-(n as f64 / freedom).sqrt() * t)
}

/// Runs of one arm, counted by seed and dose.
struct Arm {
    /// Doses, ascending.
    doses: Vec<f64>,
    /// For each seed, for each dose: runs and failures.
    counts: Vec<Vec<Cell>>,
}

impl Arm {
    /// Absent without trials or with a dose that has no logarithm.
    fn new(trials: &[Trial], seeds: &[u64]) -> Option<Self> {
        let usable = |trial: &Trial| trial.dose.is_finite() && trial.dose > 0.0;
        if trials.is_empty() || !trials.iter().all(usable) {
            return None;
        }
        let mut doses: Vec<f64> = trials.iter().map(|trial| trial.dose).collect();
        doses.sort_by(f64::total_cmp);
        doses.dedup();
        let mut counts = vec![vec![Cell::default(); doses.len()]; seeds.len()];
        for trial in trials {
            let seed = seeds.binary_search(&trial.seed).ok()?;
            let dose = doses.partition_point(|dose| *dose < trial.dose);
            counts[seed][dose].add(Cell {
                runs: 1,
                failures: u32::from(trial.failed),
            });
        }
        Some(Self { doses, counts })
    }

    /// Counts of all seeds, for each dose.
    fn all(&self) -> Vec<Cell> {
        self.total(&(0..self.counts.len()).collect::<Vec<_>>())
    }

    /// Counts of the picked seeds, each as often as it was picked, for each dose.
    fn total(&self, picked: &[usize]) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); self.doses.len()];
        for seed in picked {
            for (cell, more) in cells.iter_mut().zip(&self.counts[*seed]) {
                cell.add(*more);
            }
        }
        cells
    }

    /// LD50 of counts for each dose.
    fn ld50(&self, cells: &[Cell]) -> Ld50 {
        let (Some(lowest), Some(highest)) = (self.doses.first(), self.doses.last()) else {
            return Ld50::NoTrend;
        };
        let sum = |part: fn(&Cell) -> u32| -> u32 { cells.iter().map(part).sum() };
        let (runs, failures) = (sum(|cell| cell.runs), sum(|cell| cell.failures));
        if runs == 0 {
            Ld50::NoTrend
        } else if failures == 0 {
            Ld50::AboveAll(*highest)
        } else if failures == runs {
            Ld50::BelowAll(*lowest)
        } else if let Some(ends) = self.separated(cells) {
            Ld50::Between(ends)
        } else {
            match fit(&self.doses, cells).map(|curve| curve.half) {
                Some(dose) if dose > *highest => Ld50::AboveAll(*highest),
                Some(dose) if dose < *lowest => Ld50::BelowAll(*lowest),
                Some(dose) => Ld50::At(dose),
                None => Ld50::NoTrend,
            }
        }
    }

    /// The highest dose without a failure and the lowest with nothing else, if all runs failed
    /// above the one and none below the other.
    fn separated(&self, cells: &[Cell]) -> Option<Interval> {
        let used = || self.doses.iter().zip(cells).filter(|(_, c)| c.runs > 0);
        let (low, _) = used().take_while(|(_, c)| c.failures == 0).last()?;
        let (high, _) = used().find(|(_, cell)| cell.failures > 0)?;
        let all_fail = used()
            .filter(|(dose, _)| *dose >= high)
            .all(|(_, cell)| cell.failures == cell.runs);
        all_fail.then_some(Interval {
            low: *low,
            high: *high,
        })
    }
}

/// Seeds of either arm, ascending.
fn seeds(first: &[Trial], second: &[Trial]) -> Vec<u64> {
    let all: BTreeSet<u64> = first.iter().chain(second).map(|trial| trial.seed).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests;
