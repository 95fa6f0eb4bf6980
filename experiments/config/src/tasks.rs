//! Multi-task instruction pre-training.

mod bounds;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One prompted data set: an entry of the catalogue, or a file of the user's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskSource {
    /// Catalogue name, for example `super_glue/boolq` (see `workbench tasks list`); exactly one
    /// of `name` and `path` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A `.jsonl` file. Without `input` and `target` its rows hold `text` and `targets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// BLAKE3 hash (hex) of the bytes of `path`, as in [`crate::Source::blake3`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// Jinja template of the prompt, filled from a row of `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Jinja template of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Most samples taken from this set; 0 takes the cap of its family in the catalogue, and all
    /// of a file.
    pub max_samples: u64,
}

/// Prompted tasks mixed into pre-training (arXiv 2210.02414 §2.2 and appendix C).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TasksConfig {
    /// Share of sequences that hold prompted tasks (GLM-130B: 0.05).
    pub ratio: f64,
    /// The sets; samples are drawn uniformly from their union after caps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<TaskSource>,
}
