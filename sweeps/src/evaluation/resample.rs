//! Totals over runs, and intervals from resampled runs.

use super::{LEVEL, RESAMPLES};
use crate::stats::{Interval, Proportion};
use logs::evaluation::{Detection, Measured};
use logs::quantile::quantile;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Least share of resamples with a finite statistic; an interval over fewer would describe something else.
const LEAST_FINITE: f64 = 0.9;
/// So that the same runs give the same intervals.
const SEED: u64 = 0;

/// One detector on one run, or summed over several.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) events: u64,
    /// Events with a step before them at which an alarm would have been a warning.
    pub(super) warnable: u64,
    pub(super) calm_steps: u64,
    /// By threshold, the lowest first.
    pub(super) counts: Vec<Counts>,
}

/// At one threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Events found.
    pub(super) found: u64,
    /// Events found before their first step.
    pub(super) early: u64,
    pub(super) false_alarms: u64,
}

impl Totals {
    pub(super) fn of(run: &Measured, detection: &Detection) -> Self {
        let outcomes = detection.outcomes.iter();
        let counts = outcomes.map(|outcome| Counts {
            found: outcome.leads.iter().flatten().count() as u64,
            early: outcome
                .leads
                .iter()
                .flatten()
                .filter(|lead| **lead > 0)
                .count() as u64,
            false_alarms: outcome.false_alarms,
        });
        Self {
            events: run.events.len() as u64,
            warnable: run.events.iter().filter(|(_, steps)| *steps > 0).count() as u64,
            calm_steps: detection.calm_steps,
            counts: counts.collect(),
        }
    }

    pub(super) fn sum<'a>(runs: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for run in runs {
            sum.events += run.events;
            sum.warnable += run.warnable;
            sum.calm_steps += run.calm_steps;
            sum.counts.resize(run.counts.len(), Counts::default());
            for (total, counts) in sum.counts.iter_mut().zip(&run.counts) {
                total.found += counts.found;
                total.early += counts.early;
                total.false_alarms += counts.false_alarms;
            }
        }
        sum
    }

    /// False alarms per 1,000 calm steps at a threshold; NaN without calm steps.
    pub(super) fn rate(&self, place: usize) -> f64 {
        let count = self
            .counts
            .get(place)
            .map_or(f64::NAN, |c| c.false_alarms as f64);
        1_000.0 * count / self.calm_steps as f64
    }

    /// The lowest threshold at which it, and every higher one, costs at most `price`.
    pub(super) fn matched(&self, price: f64) -> Option<usize> {
        let places = (0..self.counts.len()).rev();
        places.take_while(|place| self.rate(*place) <= price).last()
    }

    /// Share of the events that was found; NaN without events.
    pub(super) fn recall(&self, place: usize) -> f64 {
        let found = self
            .counts
            .get(place)
            .map_or(f64::NAN, |counts| counts.found as f64);
        found / self.events as f64
    }

    /// Share of the events that was found before their first step, of those that could be; NaN without any.
    pub(super) fn warned(&self, place: usize) -> f64 {
        let early = self
            .counts
            .get(place)
            .map_or(f64::NAN, |counts| counts.early as f64);
        early / self.warnable as f64
    }

    /// Events found among all that alarms were raised for, false alarms included; NaN without alarms.
    pub(super) fn precision(&self, place: usize) -> f64 {
        let Some(counts) = self.counts.get(place) else {
            return f64::NAN;
        };
        counts.found as f64 / (counts.found + counts.false_alarms) as f64
    }
}

/// Sums over resampled runs.
pub(super) struct Resampled {
    sums: Vec<Totals>,
    /// Runs with events.
    clusters: u64,
}

impl Resampled {
    /// None for fewer than two runs, which say nothing about how runs differ.
    pub(super) fn of(runs: &[Totals]) -> Option<Self> {
        Self::times(runs, RESAMPLES)
    }

    pub(super) fn times(runs: &[Totals], resamples: usize) -> Option<Self> {
        let mut sums = Vec::with_capacity(resamples);
        picks(runs.len(), resamples, |picked| {
            sums.push(Totals::sum(picked.iter().map(|i| &runs[*i])));
        })?;
        Some(Self {
            sums,
            clusters: runs.iter().filter(|run| run.events > 0).count() as u64,
        })
    }

    /// The percentile interval of a statistic.
    pub(super) fn interval(
        &self,
        level: f64,
        statistic: impl Fn(&Totals) -> f64,
    ) -> Option<Interval> {
        interval(self.sums.iter().map(statistic).collect(), level)
    }

    /// The same for a share of events. Where no resample differs, because every event or none was found, resampling
    /// cannot tell how sure that is; then the interval is that of Clopper and Pearson over the runs with events.
    pub(super) fn share(&self, level: f64, statistic: impl Fn(&Totals) -> f64) -> Option<Interval> {
        let found = self.interval(level, statistic)?;
        if found.low < found.high {
            return Some(found);
        }
        let events = (found.low * self.clusters as f64).round() as u64;
        Some(Proportion::new(events.min(self.clusters), self.clusters).clopper_pearson(level))
    }

    /// The interval of a rate per 1,000 steps. Where nothing was counted its upper end is that of a Poisson count of
    /// 0 in `steps` steps.
    pub(super) fn rate(&self, steps: u64, statistic: impl Fn(&Totals) -> f64) -> Option<Interval> {
        let mut found = self.interval(LEVEL, statistic)?;
        let none = -((1.0 - LEVEL) / 2.0).ln() * 1_000.0 / steps as f64;
        if found.high == 0.0 {
            found.high = none;
        }
        Some(found)
    }
}

/// Interval of the median of what runs give, from resampled runs.
pub(super) fn median_interval(values: &[Vec<f64>]) -> Option<Interval> {
    let mut medians = Vec::with_capacity(RESAMPLES);
    let mut all = Vec::new();
    picks(values.len(), RESAMPLES, |picked| {
        all.clear();
        all.extend(picked.iter().flat_map(|i| &values[*i]));
        all.sort_unstable_by(f64::total_cmp);
        medians.push(if all.is_empty() {
            f64::NAN
        } else {
            quantile(&all, 0.5)
        });
    })?;
    interval(medians, LEVEL)
}

/// Calls `take` with the places of `n` units that were drawn with replacement; none for fewer than two units.
fn picks(n: usize, resamples: usize, mut take: impl FnMut(&[usize])) -> Option<()> {
    if n < 2 {
        return None;
    }
    let mut generator = ChaCha8Rng::seed_from_u64(SEED);
    let mut picked = vec![0; n];
    for _ in 0..resamples {
        picked.fill_with(|| generator.random_range(0..n));
        take(&picked);
    }
    Some(())
}

fn interval(mut values: Vec<f64>, level: f64) -> Option<Interval> {
    let all = values.len() as f64;
    values.retain(|value| value.is_finite());
    if values.is_empty() || (values.len() as f64) < LEAST_FINITE * all {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Some(Interval {
        low: quantile(&values, tail),
        high: quantile(&values, 1.0 - tail),
    })
}
