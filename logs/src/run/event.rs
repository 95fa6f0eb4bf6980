//! What happened in a run, beside the numbers.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::now;
use crate::line::{self, LineError};

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// The attempt; set by the writer.
    pub attempt: u32,
    /// Finished steps at that time.
    pub step: u64,
    /// What kind of event.
    pub kind: EventKind,
    /// One line for people.
    pub message: String,
    /// Details for programs.
    #[serde(default)]
    pub data: Map<String, Value>,
}

/// Kinds of events; `snake_case` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The run began.
    Start,
    /// An attempt continues from a checkpoint.
    Resume,
    /// A checkpoint was written.
    Checkpoint,
    /// A gradient was not finite, and the step was skipped.
    Overflow,
    /// The loss scale changed.
    LossScale,
    /// The loss scale reached its minimum.
    LossScaleMinimum,
    /// A detector fired.
    Alarm,
    /// The loss was not finite.
    Nonfinite,
    /// A person or a policy changed the run.
    Intervention,
    /// The held-out loss was measured.
    Evaluation,
    /// The run stopped on request.
    Stop,
    /// The run finished.
    Finish,
    /// The run failed.
    Fail,
    /// Something on disk was damaged and set aside, or could not be verified.
    Integrity,
    /// Something about the ranks that train the run.
    Ranks,
    /// A kind that a newer version of this program writes.
    #[serde(other)]
    Other,
}

impl EventKind {
    /// In words, of at most 14 letters.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Checkpoint => "checkpoint",
            Self::Overflow => "overflow",
            Self::LossScale => "loss scale",
            Self::LossScaleMinimum => "scale minimum",
            Self::Alarm => "alarm",
            Self::Nonfinite => "not finite",
            Self::Intervention => "intervention",
            Self::Evaluation => "evaluation",
            Self::Stop => "stop",
            Self::Finish => "finish",
            Self::Fail => "fail",
            Self::Integrity => "integrity",
            Self::Ranks => "ranks",
            Self::Other => "other",
        }
    }
}

impl Event {
    /// [`Event::time`] in seconds since 1970, where it is a valid time.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        Some(time.as_millisecond() as f64 / 1000.0)
    }

    /// An event that happens now.
    #[must_use]
    pub fn now(step: u64, kind: EventKind, message: impl Into<String>) -> Self {
        Self {
            time: now(),
            attempt: 0,
            step,
            kind,
            message: message.into(),
            data: Map::new(),
        }
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// Line `number` of the events file, by `attempt`, without the newline. The number shows later that
    /// lines before it were lost.
    pub(crate) fn to_line(&self, attempt: u32, number: u64) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(&Self {
            attempt,
            ..self.clone()
        })?;
        text.pop(); // the closing brace comes back with the checksum
        let _ = write!(text, ",\"line\":{number}");
        Ok(line::seal(text))
    }

    /// Reads a line of the events file, without its newline; with its number, which earlier versions did
    /// not write.
    pub(crate) fn parse_bytes(bytes: &[u8]) -> Result<(Self, Option<u64>), LineError> {
        #[derive(Deserialize)]
        struct Numbered {
            line: Option<u64>,
        }
        let text = line::check(bytes)?;
        let wrong = |error: serde_json::Error| LineError::Content(error.to_string());
        let Numbered { line } = serde_json::from_str(text).map_err(wrong)?;
        Ok((serde_json::from_str(text).map_err(wrong)?, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_with_the_writers_attempt() {
        let event = Event::now(50, EventKind::LossScaleMinimum, "at 1").with("scale", 1.0);
        let line = event.to_line(3, 7).unwrap();
        assert!(line.contains("\"kind\":\"loss_scale_minimum\""), "{line}");
        let expected = Event {
            attempt: 3,
            ..event
        };
        assert_eq!(
            Event::parse_bytes(line.as_bytes()).unwrap(),
            (expected, Some(7))
        );
    }

    #[test]
    fn a_kind_of_a_newer_version_is_other() {
        let line = line::seal(
            r#"{"time":"2030-01-01T00:00:00Z","attempt":1,"step":2,"kind":"teleported","message":"m","extra":1"#.into(),
        );
        let (event, number) = Event::parse_bytes(line.as_bytes()).unwrap();
        assert_eq!(number, None);
        assert_eq!(event.kind, EventKind::Other);
    }
}
