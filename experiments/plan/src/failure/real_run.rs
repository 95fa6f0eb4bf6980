//! What the journal adds up to.

use super::journal::{Cause, Journal, Restart, unix};
use logs::quantile::quantile;
use serde::Serialize;

/// How far the run came in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// First step.
    pub from_step: u64,
    /// Last step.
    pub to_step: u64,
    /// Wall time between them, in seconds.
    pub wall_seconds: f64,
    /// What the steps would take without any trouble, in seconds.
    pub training_seconds: f64,
    /// The latter over the former: the goodput that was reached.
    pub goodput: f64,
}

/// The real run in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RealRun {
    /// Machines.
    pub nodes: u64,
    /// Length in days.
    pub days: f64,
    /// Machines × days.
    pub node_days: f64,
    /// Restarts after hardware, file-system or network failures.
    pub hardware: u64,
    /// Restarts after divergence.
    pub divergence: u64,
    /// Restarts that people wanted.
    pub planned: u64,
    /// Median time from the log's heading to the next run over hardware failures, in seconds. The
    /// heading may be the time of the failure or of the restart, so it is a rough figure.
    pub restart_seconds: f64,
    /// From the first to the last restart at full batch whose time and step are known.
    pub progress: Option<Progress>,
}

impl RealRun {
    /// Counts.
    #[must_use]
    pub fn from_journal(journal: &Journal) -> Self {
        let run = &journal.run;
        let count = |cause| {
            let restarts = journal.restarts.iter();
            restarts.filter(|restart| restart.cause == cause).count() as u64
        };
        let gaps = journal
            .restarts
            .iter()
            .filter(|restart| restart.cause == Cause::Hardware)
            .filter_map(Restart::gap_seconds);
        Self {
            nodes: run.nodes,
            days: run.days,
            node_days: run.nodes as f64 * run.days,
            hardware: count(Cause::Hardware),
            divergence: count(Cause::Divergence),
            planned: count(Cause::Planned),
            restart_seconds: median(gaps.collect()),
            progress: progress(journal),
        }
    }
}

fn progress(journal: &Journal) -> Option<Progress> {
    let mut known = journal.restarts.iter().filter_map(|restart| {
        let time = unix(restart.resumed.as_ref()?)?;
        let step = restart.from_step?;
        (step >= journal.run.ramp_steps).then_some((time, step))
    });
    let (first_time, from_step) = known.next()?;
    let (last_time, to_step) = known.next_back()?;
    let wall_seconds = (last_time - first_time) as f64;
    let training_seconds = to_step.saturating_sub(from_step) as f64 * journal.run.step_seconds;
    Some(Progress {
        from_step,
        to_step,
        wall_seconds,
        training_seconds,
        goodput: training_seconds / wall_seconds,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return 0.0;
    }
    quantile(&values, 0.5)
}
