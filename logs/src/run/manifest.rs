//! Where a run comes from.

use std::ffi::OsString;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{FORMAT_VERSION, MANIFEST_FILE, load, now, save};
use crate::error::LogError;
use crate::import::Imported;

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
    /// What computed the passes; absent in runs of programs that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
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
    /// The run this one was forked from, a path from this run's directory or an absolute one.
    pub parent: Option<String>,
    /// Steps of that run behind it when it was forked: its own records begin after them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_at: Option<u64>,
    /// When the run was created, RFC 3339.
    pub created: String,
    /// For a run that another program trained: what it was imported from. What only a trained run has is
    /// then empty or 0: seed, text, parameters, machine, unigram level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// The option whose value is a command of the user's own. It is never stored: who opens a run directory of somebody
/// else's must not find a command in it.
const COMMAND: &str = "--on-alarm";

/// The command line of this process as text. What of it is not UTF-8, as a file's name may be, stands as
/// U+FFFD: a record of the command must not be what stops it. The value of `--on-alarm` is left out.
#[must_use]
pub fn command_line() -> Vec<String> {
    without_commands(lossy(std::env::args_os()))
}

fn without_commands(arguments: Vec<String>) -> Vec<String> {
    let left_out = || "(not stored)".to_owned();
    let mut is_value = false;
    let mut stored = Vec::new();
    for argument in arguments {
        if std::mem::replace(&mut is_value, argument == COMMAND) {
            is_value = false;
            stored.push(left_out());
        } else if argument
            .strip_prefix(COMMAND)
            .is_some_and(|rest| rest.starts_with('='))
        {
            stored.push(format!("{COMMAND}={}", left_out()));
        } else {
            stored.push(argument);
        }
    }
    stored
}

fn lossy(arguments: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let text = |argument: OsString| argument.to_string_lossy().into_owned();
    arguments.into_iter().map(text).collect()
}

/// What computes the passes of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// `fused` for hand-written sub-layers, `graph` for tensor operations and their autodiff graph.
    pub path: String,
    /// Whose kernels, with their version: for example `kernels::fused 0.1.0` or `burn-flex 0.21.0`.
    pub kernels: String,
    /// The widest instructions that the program's own loops use on this CPU: `avx512`, `avx2`, or
    /// `portable` for those that the program was compiled for.
    pub instruction_set: String,
}

impl Manifest {
    /// The manifest of a run that was imported, of which `steps` is the last step.
    #[must_use]
    pub fn of_import(steps: u64, command: &[String], imported: Imported) -> Self {
        Self {
            version: FORMAT_VERSION,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: None,
            git_dirty: None,
            features: Vec::new(),
            backend: "imported".to_owned(),
            device: "imported".to_owned(),
            engine: None,
            cpu: String::new(),
            threads: 0,
            host: String::new(),
            os: String::new(),
            seed: 0,
            config_hash: "imported".to_owned(),
            corpus_hash: String::new(),
            tokenizer_hash: String::new(),
            languages: Vec::new(),
            missing_languages: Vec::new(),
            unigram_entropy: 0.0,
            unigram_entropy_mixture: 0.0,
            parameters: 0,
            steps,
            command: command.to_vec(),
            weights_hash: None,
            parent: None,
            forked_at: None,
            created: now(),
            imported: Some(imported),
        }
    }

    /// The unigram level, nats per token; none for an imported run, whose text is not here.
    #[must_use]
    pub fn unigram_level(&self) -> Option<f64> {
        self.imported.is_none().then_some(self.unigram_entropy)
    }

    /// The backend, with what computed the passes where that is known: `burn-flex 0.21.0 (fused, avx2)`.
    #[must_use]
    pub fn computed_by(&self) -> String {
        match &self.engine {
            None => self.backend.clone(),
            Some(engine) => format!(
                "{} ({}, {})",
                self.backend, engine.path, engine.instruction_set
            ),
        }
    }

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

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_for_alarms_is_never_stored() {
        let stored = |line: &str| {
            let arguments = line.split('|').map(str::to_owned).collect();
            super::without_commands(arguments).join(" ")
        };
        for (line, expected) in [
            (
                "train|t0|--on-alarm|rm x|--out|o",
                "train t0 --on-alarm (not stored) --out o",
            ),
            (
                "train|--on-alarm=rm x|t0",
                "train --on-alarm=(not stored) t0",
            ),
            (
                "train|--on-alarm|--on-alarm|t0",
                "train --on-alarm (not stored) t0",
            ),
            ("train|t0|--on-alarm", "train t0 --on-alarm"),
            ("train|--on-alarms|t0", "train --on-alarms t0"),
        ] {
            assert_eq!(stored(line), expected, "{line}");
        }
    }

    /// `std::env::args` ends the program at such a name.
    #[cfg(unix)]
    #[test]
    fn an_argument_that_is_not_utf_8_is_recorded_and_stops_nothing() {
        use std::os::unix::ffi::OsStringExt;
        let arguments = [b"sweep".to_vec(), b"out\xff".to_vec()];
        let found = super::lossy(arguments.map(super::OsString::from_vec));
        assert_eq!(found, ["sweep", "out\u{fffd}"]);
    }
}
