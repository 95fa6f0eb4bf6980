//! Where things lie and how the job is submitted.

use crate::HandoverError;
use serde::{Deserialize, Serialize};

/// Choices that are not part of the configuration. Paths are relative to the hand-over's folder
/// unless they start with `/`; they lie on a file system that all nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Job name.
    pub name: String,
    /// Data prefix, without `.bin`.
    pub data: String,
    /// Folder of the prompted tasks.
    pub tasks: String,
    /// Tokenizer folder (not used with `LargeScale`'s own tokenizer).
    pub tokenizer: String,
    /// Checkpoints, read and written.
    pub checkpoints: String,
    /// TensorBoard event files.
    pub tensorboard: String,
    /// Slurm partition.
    pub partition: Option<String>,
    /// Slurm account.
    pub account: Option<String>,
    /// Wall time of one job in minutes.
    pub minutes: u64,
    /// Minutes before the end at which the run is told to save and stop.
    pub save_minutes: u64,
    /// CPU cores per GPU.
    pub cpus_per_gpu: u64,
    /// Starts after a crash in a row before the job gives up.
    pub retries: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "run".to_owned(),
            data: "data/text".to_owned(),
            tasks: "data/tasks".to_owned(),
            tokenizer: "tokenizer".to_owned(),
            checkpoints: "checkpoints".to_owned(),
            tensorboard: "tensorboard".to_owned(),
            partition: None,
            account: None,
            minutes: 2880,
            save_minutes: 30,
            cpus_per_gpu: 8,
            retries: 3,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), HandoverError> {
        let wrong = |key: &str, value: &str, expected: &str| {
            Err(HandoverError::Value {
                key: key.to_owned(),
                value: format!("`{}`", value.escape_debug()),
                expected: expected.to_owned(),
            })
        };
        let word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let names = [
            ("name", Some(&self.name)),
            ("partition", self.partition.as_ref()),
            ("account", self.account.as_ref()),
        ];
        for (key, name) in names
            .into_iter()
            .filter_map(|(key, name)| Some((key, name?)))
        {
            if name.is_empty() || name.starts_with('-') || !name.chars().all(word) {
                return wrong(key, name, "expected letters, digits, `_`, `.` and `-`");
            }
        }
        for (key, path) in [
            ("data", &self.data),
            ("tasks", &self.tasks),
            ("tokenizer", &self.tokenizer),
            ("checkpoints", &self.checkpoints),
            ("tensorboard", &self.tensorboard),
        ] {
            if path.is_empty() || path.starts_with('-') || path.chars().any(char::is_control) {
                return wrong(
                    key,
                    path,
                    "expected a path of one line that does not start with `-`",
                );
            }
        }
        for (key, value) in [
            ("minutes", self.minutes),
            ("cpus_per_gpu", self.cpus_per_gpu),
        ] {
            experiments_plan::size::positive(key, value)?;
        }
        if self.save_minutes >= self.minutes {
            return wrong(
                "save_minutes",
                &self.save_minutes.to_string(),
                &format!("must be below the job's {} minutes", self.minutes),
            );
        }
        Ok(())
    }
}
