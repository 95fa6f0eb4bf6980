//! How often a cluster fails, what that costs, and how often to save.
//!
//! The rate comes from the journal of the real run, per node, so that it carries over to other
//! clusters, with the uncertainty of its small count. Failures are taken to come independently at
//! that rate (a Poisson process).

mod checkpointing;
mod journal;
mod poisson;
mod real_run;
mod text;

#[cfg(test)]
mod tests;

pub use checkpointing::Checkpointing;
pub use journal::{Cause, Journal, Restart, Run, Saving, journal};
pub use poisson::count_interval;
pub use real_run::{Progress, RealRun};

use crate::PlanError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const DAY: f64 = 86_400.0;
/// Share of cases that the intervals are meant to hold for.
const CONFIDENCE: f64 = 0.95;
/// Steps between checkpoints that the table shows beside the best and the real ones.
const INTERVALS: [u64; 7] = [10, 25, 50, 100, 250, 500, 1000];
const MOST_NODES: u64 = 1_000_000;
const MOST_STEPS: u64 = 1_000_000_000;
/// Times in seconds that are taken seriously.
const SECONDS: std::ops::RangeInclusive<f64> = 1e-3..=1e7;

/// What a cluster is and what saving costs on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailureInput {
    /// Machines.
    pub nodes: u64,
    /// One training step in seconds.
    pub step_seconds: f64,
    /// Training stands still for this long while a checkpoint is written, in seconds.
    pub checkpoint_seconds: f64,
    /// From a failure until training goes on, in seconds.
    pub restart_seconds: f64,
    /// Further intervals for the table, in steps.
    pub intervals: Vec<u64>,
}

impl FailureInput {
    /// The real run: its nodes and step time, the median time to restart of its journal, and 60 s
    /// for a checkpoint. The last is ours: the log tells only that loading one took "1 minute"
    /// after 6 June, and nothing about writing.
    pub fn glm_130b() -> Result<Self, PlanError> {
        let journal = journal()?;
        Ok(Self {
            nodes: journal.run.nodes,
            step_seconds: journal.run.step_seconds,
            checkpoint_seconds: 60.0,
            restart_seconds: RealRun::from_journal(&journal).restart_seconds,
            intervals: Vec::new(),
        })
    }

    fn check(&self) -> Result<(), PlanError> {
        let error = |what: &str, value: String, expected: String| PlanError::Size {
            what: what.into(),
            value,
            expected,
        };
        if !(1..=MOST_NODES).contains(&self.nodes) {
            let expected = "expected 1 to 1,000,000".into();
            return Err(error("nodes", self.nodes.to_string(), expected));
        }
        let range = format!("{:e} to {:e} s", SECONDS.start(), SECONDS.end());
        for (what, value, may_be_zero) in [
            ("step_seconds", self.step_seconds, false),
            ("checkpoint_seconds", self.checkpoint_seconds, false),
            ("restart_seconds", self.restart_seconds, true),
        ] {
            if !(SECONDS.contains(&value) || may_be_zero && value == 0.0) {
                let zero = if may_be_zero { "0 or " } else { "" };
                let expected = format!("expected {zero}{range}");
                return Err(error(what, value.to_string(), expected));
            }
        }
        for steps in &self.intervals {
            if !(1..=MOST_STEPS).contains(steps) {
                let expected = "expected 1 to 1,000,000,000 steps".into();
                return Err(error("intervals", steps.to_string(), expected));
            }
        }
        Ok(())
    }
}

/// A rate with the ends of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranged {
    /// Best estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What saving at one interval costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntervalRow {
    /// Steps between checkpoints.
    pub steps: u64,
    /// The same in seconds of training.
    pub seconds: f64,
    /// Time for saving, as a share of training time.
    pub saving: f64,
    /// Expected time between the last checkpoint and a failure, in seconds: what has to be redone.
    pub lost_seconds: f64,
    /// Expected wall time over training time, less 1: saving, redone work and restarts. `None`
    /// where failures come so often that training all but stands still (over 1000).
    pub overhead: Option<f64>,
    /// The overhead if the failure rate is at the lower end of its interval.
    pub overhead_at_low_rate: Option<f64>,
    /// The overhead if it is at the upper end.
    pub overhead_at_high_rate: Option<f64>,
    /// Share of wall time that is training that counts.
    pub goodput: f64,
    /// Who saved so.
    pub note: String,
}

/// How often a cluster fails and how often to save.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailureEstimate {
    /// What was asked.
    pub input: FailureInput,
    /// Failures of one node in a year (365 days).
    pub per_node_year: Ranged,
    /// Mean time between failures of the whole cluster, in seconds.
    pub between_failures: Ranged,
    /// Best interval by Young's formula, in seconds of training.
    pub young_seconds: f64,
    /// Best interval by Daly's formula, in seconds of training.
    pub daly_seconds: f64,
    /// Best interval in whole steps, at least 1: the one with the highest goodput.
    pub best_steps: u64,
    /// By interval, what it costs.
    pub rows: Vec<IntervalRow>,
    /// What really happened.
    pub real: RealRun,
}

/// Applies the real run's failure rate to a cluster.
pub fn estimate(input: &FailureInput) -> Result<FailureEstimate, PlanError> {
    input.check()?;
    let journal = journal()?;
    let real = RealRun::from_journal(&journal);
    let (low, high) = count_interval(real.hardware, CONFIDENCE)?;
    let per_node_day = |count: f64| count / real.node_days;
    let year = |count: f64| 365.0 * per_node_day(count);
    let between = |count: f64| DAY / (per_node_day(count) * input.nodes as f64);
    let between_failures = Ranged {
        value: between(real.hardware as f64),
        low: between(high),
        high: between(low),
    };
    let cluster = |between_failures| Checkpointing {
        between_failures,
        checkpoint: input.checkpoint_seconds,
        restart: input.restart_seconds,
    };
    let usual = cluster(between_failures.value);
    let best_steps = usual.best_steps(input.step_seconds, MOST_STEPS);
    let real_intervals = journal.saving.iter().map(|saving| saving.steps);
    let steps: BTreeSet<u64> = INTERVALS
        .into_iter()
        .chain(real_intervals)
        .chain(input.intervals.iter().copied())
        .chain([best_steps])
        .collect();
    let row = |steps: u64| {
        let seconds = steps as f64 * input.step_seconds;
        let mut notes = Vec::new();
        if steps == best_steps {
            notes.push("best".to_owned());
        }
        let saving = journal.saving.iter().filter(|saving| saving.steps == steps);
        notes.extend(saving.map(|saving| format!("real {}", saving.when)));
        IntervalRow {
            steps,
            seconds,
            saving: input.checkpoint_seconds / seconds,
            lost_seconds: usual.lost(seconds),
            overhead: usual.overhead(seconds),
            overhead_at_low_rate: cluster(between_failures.high).overhead(seconds),
            overhead_at_high_rate: cluster(between_failures.low).overhead(seconds),
            goodput: usual.goodput(seconds),
            note: notes.join("; "),
        }
    };
    Ok(FailureEstimate {
        per_node_year: Ranged {
            value: year(real.hardware as f64),
            low: year(low),
            high: year(high),
        },
        between_failures,
        young_seconds: usual.young(),
        daly_seconds: usual.daly(),
        best_steps,
        rows: steps.into_iter().map(row).collect(),
        real,
        input: input.clone(),
    })
}
