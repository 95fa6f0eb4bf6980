//! Text and tokenizer.

pub(crate) mod bounds;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Byte-level BPE trained on the corpus at preparation time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// Vocabulary size with the six special tokens; 262 is bytes without merges.
    pub vocab_size: usize,
    /// Bytes of text per language the merges are learnt from.
    pub sample_bytes: usize,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            vocab_size: 2048,
            sample_bytes: 1_000_000,
        }
    }
}

/// One text: a catalogue name (see `workbench corpus list`) or a file of the user's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Catalogue name; exactly one of `name` and `path` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A `.txt` or `.jsonl` file (each also as `.gz` or `.zst`); JSON lines hold `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// BLAKE3 hash (hex) of the bytes of `path`. The program writes it when a run or sweep begins; a
    /// file with another one is refused, and [`crate::Config::hash`] takes it instead of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// Language code, `en` or `zh` for the catalogue; weights and entropy are per language.
    pub language: String,
    /// Share of sampled sequences, relative to the other sources.
    pub weight: f64,
    /// Only the first so many bytes of text are used; 0 means all.
    pub max_bytes: usize,
}

/// The mixture of texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Sources, sampled by ratio of their weights.
    pub sources: Vec<Source>,
    /// Share of every source kept out of training, taken from its end.
    pub held_out: f64,
}

impl Default for DataConfig {
    fn default() -> Self {
        let source = |name: &str, language: &str, weight| Source {
            name: Some(name.to_owned()),
            path: None,
            blake3: None,
            language: language.to_owned(),
            weight,
            max_bytes: 2_000_000,
        };
        Self {
            sources: vec![
                source("gutenberg", "en", 0.5),
                source("three-kingdoms", "zh", 0.5),
            ],
            held_out: 0.05,
        }
    }
}
