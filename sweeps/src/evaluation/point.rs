//! One detector at one threshold.

use super::LEVEL;
use super::resample::{Resampled, Totals, median_interval};
use crate::stats::Interval;
use logs::evaluation::{Measured, Outcome};
use logs::quantile::quantile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One detector at one threshold, over all runs that recorded its signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Factor on the default threshold.
    pub factor: f64,
    /// Events found, early or late.
    pub found: u64,
    /// Events found before their first step.
    pub early: u64,
    /// False alarms.
    pub false_alarms: u64,
    /// False alarms per 1,000 calm steps; absent without calm steps.
    pub rate: Option<Share>,
    /// Share of the events that was found; absent without events.
    pub recall: Option<Share>,
    /// Share of the events that was found before their first step, of those that could be: before a cause that was planted
    /// nothing can warn of it. Absent without any.
    pub warned: Option<Share>,
    /// Events found over those and the false alarms; absent without either.
    pub precision: Option<Share>,
    /// What `warned` would be for alarms at random steps, as many as the false ones; absent without events.
    pub by_chance: Option<f64>,
    /// Whether it warns before more events than chance, at a level of 0.05 shared by all detectors.
    pub leads: bool,
    /// Absent where nothing was found.
    pub lead: Option<Lead>,
    /// By kind of planted cause.
    pub planted: Vec<PlantedFound>,
}

/// An estimate, with an interval where there are runs enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The estimate.
    pub value: f64,
    /// From resampled runs.
    pub interval: Option<Interval>,
}

/// Steps from the first alarm for an event to the event's first step, over the events found; negative for late ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// The latest.
    pub least: f64,
    /// A quarter is later.
    pub lower_quartile: f64,
    /// Half is later.
    pub median: f64,
    /// From resampled runs.
    pub median_interval: Option<Interval>,
    /// A quarter is earlier.
    pub upper_quartile: f64,
    /// The earliest.
    pub most: f64,
}

/// Planted causes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedFound {
    /// The kind.
    pub kind: String,
    /// Causes that met an alarm while they lasted or shortly after.
    pub found: u64,
    /// All.
    pub of: u64,
}

/// The runs of one detector with what it made of them.
pub(super) struct Sample<'a> {
    pub(super) runs: Vec<(&'a Measured, &'a [Outcome])>,
    pub(super) sum: Totals,
    pub(super) resampled: Option<Resampled>,
    /// Detectors that are compared.
    pub(super) compared: usize,
}

impl Sample<'_> {
    /// The threshold at `place`; `at` says which one that is in a resample.
    pub(super) fn point(
        &self,
        place: usize,
        at: impl Fn(&Totals) -> Option<usize>,
    ) -> Option<Point> {
        let counts = *self.sum.counts.get(place)?;
        let (rate, chance) = (self.sum.rate(place), self.by_chance(self.sum.rate(place)));
        let there = |of: fn(&Totals, usize) -> f64| {
            let at = &at;
            move |sum: &Totals| at(sum).map_or(f64::NAN, |place| of(sum, place))
        };
        let resampled = self.resampled.as_ref();
        let share = |of: fn(&Totals, usize) -> f64| {
            let value = of(&self.sum, place);
            let interval = || resampled?.share(LEVEL, there(of));
            value.is_finite().then(|| Share {
                value,
                interval: interval(),
            })
        };
        // Bonferroni: with as many detectors as here, the best of them would look early by luck.
        let strict = 1.0 - 2.0 * 0.05 / self.compared.max(1) as f64;
        let surely = resampled.and_then(|resampled| resampled.share(strict, there(Totals::warned)));
        Some(Point {
            factor: self.factor(place)?,
            found: counts.found,
            early: counts.early,
            false_alarms: counts.false_alarms,
            rate: rate.is_finite().then(|| Share {
                value: rate,
                interval: resampled.and_then(|r| r.rate(self.sum.calm_steps, there(Totals::rate))),
            }),
            recall: share(Totals::recall),
            warned: share(Totals::warned),
            precision: share(Totals::precision),
            by_chance: chance,
            leads: surely
                .zip(chance)
                .is_some_and(|(share, chance)| share.low > chance),
            lead: self.lead(place),
            planted: self.planted(place),
        })
    }

    fn factor(&self, place: usize) -> Option<f64> {
        let (_, outcomes) = self.runs.first()?;
        outcomes.get(place).map(|outcome| outcome.factor)
    }

    /// Alarms at a rate per 1,000 steps meet a window of w steps with probability 1 − exp(−w · rate / 1000).
    fn by_chance(&self, rate: f64) -> Option<f64> {
        let events = self.runs.iter().flat_map(|(run, _)| &run.events);
        let windows = events.filter(|(_, steps)| *steps > 0);
        let meets = windows.map(|(_, steps)| 1.0 - (-rate * *steps as f64 / 1_000.0).exp());
        let meets: Vec<f64> = meets.collect();
        (!meets.is_empty() && rate.is_finite())
            .then(|| meets.iter().sum::<f64>() / meets.len() as f64)
    }

    fn lead(&self, place: usize) -> Option<Lead> {
        let leads = |outcome: &Outcome| -> Vec<f64> {
            let found = outcome.leads.iter().flatten();
            found.map(|lead| *lead as f64).collect()
        };
        let of_runs: Vec<Vec<f64>> = self
            .runs
            .iter()
            .filter_map(|(_, outcomes)| outcomes.get(place))
            .map(leads)
            .filter(|leads| !leads.is_empty())
            .collect();
        let mut all = of_runs.concat();
        all.sort_unstable_by(f64::total_cmp);
        if all.is_empty() {
            return None;
        }
        Some(Lead {
            least: quantile(&all, 0.0),
            lower_quartile: quantile(&all, 0.25),
            median: quantile(&all, 0.5),
            median_interval: median_interval(&of_runs),
            upper_quartile: quantile(&all, 0.75),
            most: quantile(&all, 1.0),
        })
    }

    fn planted(&self, place: usize) -> Vec<PlantedFound> {
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (run, outcomes) in &self.runs {
            let met = outcomes
                .get(place)
                .map_or(&[][..], |outcome| &outcome.planted);
            for (kind, met) in run.planted.iter().zip(met) {
                let (found, of) = kinds.entry(kind).or_default();
                *found += u64::from(*met);
                *of += 1;
            }
        }
        let kinds = kinds.into_iter();
        kinds
            .map(|(kind, (found, of))| PlantedFound {
                kind: kind.to_owned(),
                found,
                of,
            })
            .collect()
    }
}
