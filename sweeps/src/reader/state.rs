//! One run of a sweep, as its directory stands.

use crate::card::Role;
use crate::outcome::Classified;
use crate::{Event, Outcome, Waiting};
use logs::Liveness;
use logs::spike::LossSpike;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not begun.
    Pending,
    /// A process writes it now.
    Running,
    /// Begun, and its process is gone; goes on with the next `sweep run`.
    Interrupted,
    /// All steps done.
    Finished,
    /// Ended on request after a checkpoint; goes on with the next `sweep run`.
    Stopped,
    /// Not to be run, on request.
    Skipped,
    /// Its process ended with an error, or its directory cannot be read.
    Failed,
}

impl State {
    /// All states, in the order in which they are counted for people.
    pub const ALL: [Self; 7] = [
        Self::Finished,
        Self::Running,
        Self::Pending,
        Self::Interrupted,
        Self::Stopped,
        Self::Skipped,
        Self::Failed,
    ];

    /// The name used in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

impl From<Liveness> for State {
    fn from(run: Liveness) -> Self {
        match run {
            Liveness::Pending => Self::Pending,
            Liveness::Running => Self::Running,
            Liveness::Interrupted => Self::Interrupted,
            Liveness::Finished => Self::Finished,
            Liveness::Stopped => Self::Stopped,
            Liveness::Failed => Self::Failed,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One run, as its directory stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunState {
    /// Run id.
    pub id: String,
    /// Label of the arm.
    pub arm: String,
    /// Seed.
    pub seed: u64,
    /// Whether it counts for the verdict.
    pub role: Role,
    /// How far it has come.
    pub state: State,
    /// Finished steps.
    pub step: u64,
    /// Planned steps.
    pub steps: u64,
    /// Last training loss, nats per target token.
    pub loss: Option<f64>,
    /// Last held-out loss, nats per target token.
    pub held_out_loss: Option<f64>,
    /// Tokens per second at the last step.
    pub tokens_per_second: Option<f64>,
    /// Value of the card's metric, once finished.
    pub metric: Option<f64>,
    /// Values of [`crate::Card::metrics`], once finished.
    pub metrics: Vec<Option<f64>>,
    /// Wall time of the run, seconds, once finished.
    pub seconds: Option<f64>,
    /// Outcome with its reason, once finished.
    pub classified: Option<Classified>,
    /// The spikes of its loss, once finished.
    pub spikes: Vec<LossSpike>,
    /// Whether its loss spiked, once finished; none where the losses were too few to say, or were lost before a
    /// first spike.
    pub spiked: Option<bool>,
    /// Languages the run found no text for.
    pub missing_languages: Vec<String>,
    /// What the run said at its end, or why it cannot be read.
    pub message: Option<String>,
    /// Why a run that was trained has no outcome: records are missing, or it is not the planned run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_judged: Option<String>,
    /// Its job, where it has one in the queue of a scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Waiting>,
}

impl RunState {
    /// The outcome, once finished.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.classified.as_ref().map(|found| found.outcome)
    }

    /// Whether the run shows any of these; `None` before it has an outcome, and where it lost its losses
    /// before the first spike: had they gone on, it might have spiked.
    #[must_use]
    pub fn shows(&self, event: &[Event]) -> Option<bool> {
        let outcome = self.outcome()?;
        if event.contains(&Event::Outcome(outcome)) {
            Some(true)
        } else if event.contains(&Event::Spiked) {
            self.spiked
        } else {
            Some(false)
        }
    }
}
