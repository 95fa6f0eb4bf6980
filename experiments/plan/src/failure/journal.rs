//! The restarts of the real run, as data.

use crate::PlanError;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

/// Why training was restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A node, GPU, link, network or file system failed without notice.
    Hardware,
    /// The loss or the gradient exploded.
    Divergence,
    /// People changed the configuration or the cluster.
    Planned,
}

/// The run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Machines.
    pub nodes: u64,
    /// GPUs of one machine.
    pub gpus_per_node: u64,
    /// Length in days.
    pub days: f64,
    /// One step at full batch in seconds.
    pub step_seconds: f64,
    /// Step from which the batch is full.
    pub ramp_steps: u64,
    /// Last step.
    pub last_step: u64,
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub started: Datetime,
    /// Where all this is written.
    pub source: String,
}

/// How often the run was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saving {
    /// Steps between checkpoints.
    pub steps: u64,
    /// When, and who says so where sources differ.
    pub when: String,
}

/// One restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Time of the log's heading: of the trouble or of the restart.
    #[serde(default, serialize_with = "maybe_as_text")]
    pub noted: Option<Datetime>,
    /// When the next run began.
    #[serde(default, serialize_with = "maybe_as_text")]
    pub resumed: Option<Datetime>,
    /// Step of the checkpoint it began from.
    #[serde(default)]
    pub from_step: Option<u64>,
    /// Step at which the trouble came.
    #[serde(default)]
    pub reached_step: Option<u64>,
    /// Why.
    pub cause: Cause,
    /// What the log says, in short.
    pub what: String,
}

impl Restart {
    /// From the heading's time to the next run, in seconds, at least 0; nothing where one is not
    /// known.
    #[must_use]
    pub fn gap_seconds(&self) -> Option<f64> {
        let gap = unix(self.resumed.as_ref()?)? - unix(self.noted.as_ref()?)?;
        Some(gap.max(0) as f64)
    }
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The run as a whole.
    pub run: Run,
    /// How often it was saved.
    pub saving: Vec<Saving>,
    /// Its restarts, first to last.
    #[serde(rename = "restart")]
    pub restarts: Vec<Restart>,
}

/// The journal of the real GLM-130B run.
pub fn journal() -> Result<Journal, PlanError> {
    toml::from_str(include_str!("journal.toml")).map_err(|error| PlanError::Failed {
        what: "reading the journal of restarts",
        problem: error.to_string(),
    })
}

/// Seconds since 1970 of a time that names its offset from UTC.
pub(super) fn unix(time: &Datetime) -> Option<i64> {
    let (date, clock) = (time.date?, time.time?);
    let offset_minutes = match time.offset? {
        toml::value::Offset::Z => 0,
        toml::value::Offset::Custom { minutes } => i64::from(minutes),
    };
    // Days of the Gregorian calendar, years taken to begin in March so that the leap day is last.
    let (year, month) = (i64::from(date.year), i64::from(date.month));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100
        + year / 400
        + (153 * month + 2) / 5
        + i64::from(date.day)
        - 1;
    // 1 March of year 0 is 719,468 days before 1970.
    let days = days - 719_468;
    let second = i64::from(clock.second.unwrap_or(0));
    let minutes = i64::from(clock.hour) * 60 + i64::from(clock.minute) - offset_minutes;
    Some(days * 86_400 + minutes * 60 + second)
}

fn as_text<S: serde::Serializer>(time: &Datetime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn maybe_as_text<S: serde::Serializer>(
    time: &Option<Datetime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.to_string()),
        None => serializer.serialize_none(),
    }
}
