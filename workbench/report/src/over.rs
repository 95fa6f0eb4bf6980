//! What curves over training have from left to right.

use logs::{Record, RunReader};

/// What the x axis counts. Runs of other batch sizes or speeds are compared fairly over samples, tokens or time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    /// Optimiser steps.
    #[default]
    Step,
    /// Samples consumed.
    Samples,
    /// Tokens consumed.
    Tokens,
    /// Time spent in training steps; pauses between attempts do not count.
    Time,
}

impl Over {
    /// All of them by the names they have on the command line.
    pub const ALL: [(&'static str, Self); 4] = [
        ("step", Self::Step),
        ("samples", Self::Samples),
        ("tokens", Self::Tokens),
        ("time", Self::Time),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(own, _)| *own == name)
            .map(|(_, over)| over)
    }
}

impl Over {
    /// What to say where no run has recorded it, so that there are no curves.
    pub(crate) fn missing<'a>(
        self,
        mut runs: impl Iterator<Item = &'a RunReader>,
    ) -> Option<String> {
        let (name, signal) = match self {
            Self::Step => return None,
            Self::Samples => ("samples", "samples"),
            Self::Tokens => ("tokens", "tokens"),
            Self::Time => ("time", SECONDS),
        };
        let has = |run: &RunReader| {
            let records = run.select(&[signal]);
            records.iter().any(|record| record.scalar(signal).is_some())
        };
        (!runs.any(has))
            .then(|| format!("no run has recorded `{signal}`: there are no curves over {name}"))
    }
}

/// An x axis in units that whole numbers of tell the steps of these runs apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruler {
    over: Over,
    /// Units of time in a second.
    per_second: f64,
}

/// The signal of the time of a step.
const SECONDS: &str = "step_seconds";

/// From so many seconds on, time is counted in seconds, below in milliseconds.
const LONG: f64 = 100.0;

impl Ruler {
    pub(crate) fn of<'a>(over: Over, runs: impl Iterator<Item = &'a RunReader>) -> Self {
        let time = |run: &RunReader| run.select(&[SECONDS]).iter().map(seconds).sum::<f64>();
        let longest = match over {
            Over::Time => runs.map(time).fold(0.0, f64::max),
            Over::Step | Over::Samples | Over::Tokens => 0.0,
        };
        Self {
            over,
            per_second: if longest < LONG { 1000.0 } else { 1.0 },
        }
    }

    /// What one unit is called.
    pub(crate) fn unit(self) -> &'static str {
        match self.over {
            Over::Step => "step",
            Over::Samples => "sample",
            Over::Tokens => "token",
            Over::Time if self.per_second > 1.0 => "millisecond",
            Over::Time => "second",
        }
    }

    /// A signal of a run by its place on the axis.
    pub(crate) fn series(self, run: &RunReader, signal: &str) -> Vec<(u64, f64)> {
        let axis = match self.over {
            Over::Step => return run.series(signal),
            Over::Samples => "samples",
            Over::Tokens => "tokens",
            Over::Time => SECONDS,
        };
        self.places(&run.select(&[signal, axis]), signal)
    }

    fn places(self, records: &[Record], signal: &str) -> Vec<(u64, f64)> {
        let mut passed = 0.0;
        let place = |record: &Record| {
            passed += seconds(record);
            let x = match self.over {
                Over::Step => Some(record.step),
                Over::Samples => whole(record, "samples"),
                Over::Tokens => whole(record, "tokens"),
                // Before any time was recorded there is no place.
                Over::Time => (passed > 0.0).then_some((passed * self.per_second) as u64),
            };
            Some((x?, record.scalar(signal)?))
        };
        records.iter().filter_map(place).collect()
    }
}

fn whole(record: &Record, signal: &str) -> Option<u64> {
    let value = record.scalar(signal)?;
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}

fn seconds(record: &Record) -> f64 {
    let seconds = record.scalar(SECONDS);
    seconds
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> Record {
        let mut record = Record::new(step);
        record.set_named("loss", step as f64);
        record.set_named("tokens", 64.0 * step as f64);
        record.set_named("step_seconds", if step == 2 { f64::NAN } else { 0.5 });
        record
    }

    #[test]
    fn every_axis_has_its_places_and_what_was_not_recorded_has_none() {
        let records: Vec<Record> = (1..=3).map(record).collect();
        let places = |over| {
            let ruler = Ruler {
                over,
                per_second: 1000.0,
            };
            let series = ruler.places(&records, "loss");
            series.into_iter().map(|(x, _)| x).collect::<Vec<_>>()
        };
        assert_eq!(places(Over::Step), [1, 2, 3]);
        assert_eq!(places(Over::Tokens), [64, 128, 192]);
        assert_eq!(places(Over::Time), [500, 500, 1000], "time never goes back");
        assert!(places(Over::Samples).is_empty());
        assert!(
            Over::ALL
                .iter()
                .all(|(name, over)| Over::named(name) == Some(*over))
        );
        assert_eq!(Over::named("epochs"), None);
    }
}
