//! How an attempt ended.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FORMAT_VERSION, SUMMARY_FILE, load, save};
use crate::error::LogError;

/// `summary.json`, written when an attempt ends in an orderly way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of the format.
    pub version: u32,
    /// How it ended.
    pub status: Status,
    /// Finished steps.
    pub steps: u64,
    /// The attempt.
    pub attempt: u32,
    /// The last held-out loss, nats per target token; none where it was not measured or not finite.
    pub held_out_loss: Option<f64>,
    /// Wall time of the attempt, seconds.
    pub seconds: f64,
    /// Why, for a run that stopped or failed.
    pub message: Option<String>,
    /// Lines of `events.jsonl` by then; set by the writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Steps that are recorded, where that is not every step: a log that was imported may have gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All planned steps are done, or a stop rule of the configuration applied.
    Finished,
    /// It stopped on request and can continue.
    Stopped,
    /// It failed.
    Failed,
}

impl Summary {
    /// A summary in the present format.
    #[must_use]
    pub fn new(status: Status, steps: u64, attempt: u32, seconds: f64) -> Self {
        Self {
            version: FORMAT_VERSION,
            status,
            steps,
            attempt,
            held_out_loss: None,
            seconds,
            message: None,
            events: None,
            records: None,
        }
    }

    /// Writes the summary of a run directory, atomically and with a checksum.
    pub fn save(&self, dir: &Path) -> Result<(), LogError> {
        save(&dir.join(SUMMARY_FILE), self)
    }

    /// Reads the summary of a run directory; none if no attempt has ended yet.
    pub fn load(dir: &Path) -> Result<Option<Self>, LogError> {
        load(&dir.join(SUMMARY_FILE))
    }
}
