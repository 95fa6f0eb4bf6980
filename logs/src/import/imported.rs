//! What an imported run comes from, as its manifest has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::collect::Log;
use super::source::Source;
use super::stitch::Join;
use crate::record::Name;

/// Signals that diagnosis rests on; those that an imported run lacks are named in its manifest.
const WANTED: [&str; 12] = [
    "loss",
    "held_out_loss",
    "lr",
    "grad_norm",
    "grad_norm_embedding",
    "layer_grad_norm",
    "update_norm",
    "clip_coefficient",
    "adam_rms",
    "loss_scale",
    "skipped",
    "max_attention_logit",
];

/// What an imported run comes from; part of its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// The files, in the order of their first attempts.
    pub sources: Vec<Origin>,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// Signals that diagnosis rests on and that no source has.
    pub missing: Vec<String>,
    /// The run of the same name from which this one is kept apart, mostly because it trained the same steps to
    /// other values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rival_of: Option<String>,
    /// Whether the files were followed while they grew; then another follower may go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
}

/// A file that was imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The file, as it was named.
    pub file: String,
    /// BLAKE3 hash of the file.
    pub hash: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its format.
    pub format: String,
    /// Damaged records, which were left out.
    pub damaged: u64,
    /// Numbers that came again at the same step with another value; the last one counts.
    pub contradicted: u64,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Of a file that is or was followed: how much of it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Extent>,
}

/// How much of a file was read that is followed, by which it is known again when it has grown or was renamed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// Bytes, unpacked.
    pub bytes: u64,
    /// BLAKE3 hash of these.
    pub hash: String,
    /// When the file was begun, seconds since 1970, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<f64>,
    /// Whether it is no longer there, or another file stands in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// An attempt of an imported run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Place of its file in [`Imported::sources`], from 0.
    pub source: usize,
    /// First step.
    pub first: u64,
    /// Last step.
    pub last: u64,
    /// Recorded steps.
    pub records: u64,
    /// How it follows on those before it.
    pub join: Join,
}

impl Imported {
    /// Of files that are followed, before anything was read of them.
    pub(super) fn followed() -> Self {
        Self {
            sources: Vec::new(),
            attempts: Vec::new(),
            missing: missing(&BTreeSet::new()),
            rival_of: None,
            followed: true,
        }
    }

    /// What a reader of the run should know is not there, or was not whole, one sentence each.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let missing = format!("No source has: {}.", self.missing.join(", "));
        let rival = self.rival_of.as_ref().map(|run| {
            format!("Kept apart from `{run}`, as it continues none of that run's attempts.")
        });
        let missing = (!self.missing.is_empty()).then_some(missing);
        let sources = self.sources.iter().flat_map(Origin::warnings);
        missing.into_iter().chain(rival).chain(sources).collect()
    }
}

impl Origin {
    pub(super) fn new(source: &Source, format: &str, log: &Log) -> Self {
        let cut = source
            .broken
            .iter()
            .map(|why| format!("it could not be unpacked to its end ({why})"));
        Self {
            file: source.path.to_string_lossy().into_owned(),
            hash: source.hash.clone(),
            bytes: source.size,
            format: format.to_owned(),
            damaged: log.damaged,
            contradicted: log.contradicted,
            notes: log.notes.iter().cloned().chain(cut).collect(),
            followed: None,
        }
    }

    /// What a user should hear of the file.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let file = &self.file;
        let count = |count: u64, one: &str, more: &str| match count {
            0 => None,
            1 => Some(format!("`{file}`: 1 {one}")),
            count => Some(format!("`{file}`: {count} {more}")),
        };
        let damaged = count(
            self.damaged,
            "damaged record was left out",
            "damaged records were left out",
        );
        let again = count(
            self.contradicted,
            "number came again at its step with another value, which counts",
            "numbers came again at their steps with other values, of which the last counts",
        );
        let notes = self.notes.iter().map(|note| format!("`{file}`: {note}"));
        damaged.into_iter().chain(again).chain(notes).collect()
    }
}

/// The signals that diagnosis rests on and that are not among `names`.
pub(super) fn missing(names: &BTreeSet<Name>) -> Vec<String> {
    let missing = WANTED.iter().filter(|name| !names.contains(**name));
    missing.map(|name| (*name).to_owned()).collect()
}
