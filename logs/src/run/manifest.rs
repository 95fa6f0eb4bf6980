//! Where a run comes from.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{MANIFEST_FILE, load, save};
use crate::error::LogError;

/// `manifest.json`: everything needed to say what was run, on what, and from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the run directory, [`super::FORMAT_VERSION`] when written by this program.
    pub version: u32,
    /// Version of the program.
    pub program_version: String,
    /// Commit the program was built from, where known.
    pub git_commit: Option<String>,
    /// Whether the sources differed from that commit.
    pub git_dirty: Option<bool>,
    /// Cargo features of the build.
    #[serde(default)]
    pub features: Vec<String>,
    /// Backend, for example `flex`.
    pub backend: String,
    /// Device, for example `cpu`.
    pub device: String,
    /// Processor name.
    pub cpu: String,
    /// Threads the run may use.
    pub threads: usize,
    /// Machine name.
    pub host: String,
    /// Operating system.
    pub os: String,
    /// Seed of the run.
    pub seed: u64,
    /// Hash of the resolved configuration.
    pub config_hash: String,
    /// Hash of the text.
    pub corpus_hash: String,
    /// Hash of the tokenizer.
    pub tokenizer_hash: String,
    /// Languages in the text.
    pub languages: Vec<String>,
    /// Languages that were asked for and could not be had.
    #[serde(default)]
    pub missing_languages: Vec<String>,
    /// The unigram level, nats per token: what a model loses on the run's own held-out batches that
    /// has learnt token frequencies per language and objective from the training text.
    pub unigram_entropy: f64,
    /// Entropy of the training mixture as one distribution, nats per token.
    pub unigram_entropy_mixture: f64,
    /// Number of trained parameters.
    pub parameters: u64,
    /// Planned steps.
    pub steps: u64,
    /// The command line.
    pub command: Vec<String>,
    /// BLAKE3 hash of the file that `model.init.weights` names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_hash: Option<String>,
    /// The run this one was forked from.
    pub parent: Option<String>,
    /// When the run was created, RFC 3339.
    pub created: String,
}

impl Manifest {
    /// Writes the manifest of a run directory, atomically and with a checksum.
    pub fn save(&self, dir: &Path) -> Result<(), LogError> {
        save(&dir.join(MANIFEST_FILE), self)
    }

    /// Reads the manifest of a run directory; none if there is none yet.
    pub fn load(dir: &Path) -> Result<Option<Self>, LogError> {
        load(&dir.join(MANIFEST_FILE))
    }

    /// [`Manifest::created`] in seconds since 1970, where it is a valid time.
    #[must_use]
    pub fn created_seconds(&self) -> Option<f64> {
        let time: jiff::Timestamp = self.created.parse().ok()?;
        Some(time.as_millisecond() as f64 / 1000.0)
    }
}
