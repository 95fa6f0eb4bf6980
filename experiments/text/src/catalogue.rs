//! The catalogue of texts (`catalogue.toml`): which package holds them, how they are checked and
//! cleaned.

use crate::TextError;
use crate::cache::hash_parts;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What brings a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// `pip download`, wheels only: nothing of the package is executed.
    Pip,
    /// `npm pack`, without scripts.
    Npm,
    /// `apt-get download`, got only when asked for by name.
    Apt,
    /// No download: cargo's registry folder.
    Cargo,
}

/// What the files of a package are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// Plain text.
    #[default]
    Text,
    /// A JSON list of strings, one document each.
    JsonStrings,
    /// HTML pages.
    Html,
    /// Manual pages in roff.
    Man,
}

/// Cleaning rules, applied in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cleaning {
    /// A file that is not UTF-8 is ISO-8859-1.
    pub latin1: bool,
    /// Fewest Han characters of a line that is kept; 0 keeps all.
    pub min_han: usize,
    /// Whether a line seen before is dropped.
    pub unique_lines: bool,
    /// Whether the lines of a file are joined into one (they were wrapped mid-sentence).
    pub join_lines: bool,
    /// Most bytes kept of one file; 0 keeps all.
    pub max_file_bytes: usize,
    /// Size of the pieces that are dealt in turn from all files; 0 leaves files whole.
    pub deal_bytes: usize,
}

/// One text of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name in `data.sources`, kebab-case.
    pub name: String,
    /// What it is, for lists.
    pub title: String,
    /// Language code.
    pub language: String,
    /// What brings it.
    pub manager: Manager,
    /// Package name; empty for [`Manager::Cargo`].
    #[serde(default)]
    pub package: String,
    /// Pinned version.
    #[serde(default)]
    pub version: Option<String>,
    /// SHA-256 (hex) of the package file.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Licence of the text.
    pub licence: String,
    /// Entry that takes its place where it cannot be had.
    #[serde(default)]
    pub fallback: Option<String>,
    /// Whether it is got when no name is given.
    #[serde(default)]
    pub default: bool,
    /// Patterns of paths inside the package; `*` stands for any characters, also `/`.
    #[serde(default)]
    pub files: Vec<String>,
    /// What the files are.
    #[serde(default)]
    pub format: TextFormat,
    /// Cleaning rules.
    #[serde(default)]
    pub clean: Cleaning,
}

impl Entry {
    /// Folder name in the cache. It holds a hash of the whole entry, so that changed rules make
    /// the text anew.
    pub(crate) fn folder(&self) -> String {
        let rules = format!("text 1 {self:?}");
        format!("{}-{}", self.name, &hash_parts([rules])[..12])
    }
}

#[derive(Deserialize)]
struct Catalogue {
    entry: Vec<Entry>,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let parsed: Catalogue = toml::from_str(include_str!("catalogue.toml"))
        .expect("the catalogue is part of the program and a test reads it");
    parsed.entry
});

/// All texts, the default ones first.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The text called `name`, or an error with the nearest name.
pub fn find(name: &str) -> Result<&'static Entry, TextError> {
    entries()
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| {
            let names = || entries().iter().map(|entry| entry.name.as_str());
            TextError::UnknownName {
                name: name.to_owned(),
                known: names().collect::<Vec<_>>().join(", "),
                hint: words::hint(name, names()),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The catalogue is parsed with an `expect`; this is what makes it safe. Packages of
    /// registries whose files never change must be pinned, and stand-ins must exist.
    #[test]
    fn every_entry_is_complete() {
        for entry in entries() {
            let pinned = entry.version.is_some() && entry.sha256.is_some();
            match entry.manager {
                Manager::Pip | Manager::Npm => assert!(pinned, "{} is not pinned", entry.name),
                Manager::Apt | Manager::Cargo => assert!(!pinned && !entry.default),
            }
            assert_eq!(entry.files.is_empty(), entry.manager == Manager::Cargo);
            if let Some(fallback) = &entry.fallback {
                assert_eq!(find(fallback).unwrap().language, entry.language);
            }
        }
    }

    /// The default configuration must work without any file of the user.
    #[test]
    fn default_sources_are_in_the_catalogue() {
        for source in experiments_config::DataConfig::default().sources {
            let entry = find(&source.name.unwrap()).unwrap();
            assert!(entry.default && entry.language == source.language);
        }
    }

    /// A misspelt name must show the way.
    #[test]
    fn unknown_names_suggest_the_nearest() {
        let text = find("gutenburg").unwrap_err().to_string();
        assert!(text.contains("did you mean `gutenberg`?") && text.contains("cargo-docs"));
    }
}
