//! The text of one source, catalogue or user, read only when it has to be.
//!
//! A source is *identified* cheaply, by what was written down when it was read before; only a
//! source whose tokens are not cached is read.

mod user_file;

use crate::cache::{hash_parts, read_json};
use crate::fetch::{CachedText, cached, read};
use crate::{Cache, TextError, catalogue};
use experiments_config::Source;
use serde::{Deserialize, Serialize};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(crate) use user_file::check_file;

/// Age below which a file's time stamp proves nothing: a second write within the resolution of
/// the file system's clock (2 s at worst) leaves it unchanged.
const RACY: Duration = Duration::from_secs(2);

enum Home {
    Catalogue(CachedText),
    File(PathBuf),
}

/// The text of one source.
pub(crate) struct SourceText {
    origin: String,
    language: String,
    home: Home,
    max_bytes: usize,
    held_out: f64,
    identity: String,
    documents: Option<Vec<String>>,
}

/// What is remembered of a file of the user, in `files/`.
#[derive(Serialize, Deserialize)]
struct Fingerprint {
    path: PathBuf,
    size: u64,
    modified_ns: u128,
    identity: String,
}

impl SourceText {
    /// Finds out which text this is, reading it only if it is a new or changed file of the user.
    pub(crate) fn identify(
        source: &Source,
        held_out: f64,
        cache: &Cache,
    ) -> Result<Self, TextError> {
        let (origin, home) = match (&source.name, &source.path) {
            (Some(name), None) => {
                let entry = catalogue::find(name)?;
                let text = cached(entry, cache)
                    .ok_or_else(|| TextError::NotCached { name: name.clone() })?;
                (name.clone(), Home::Catalogue(text))
            }
            (None, Some(path)) => (path.display().to_string(), Home::File(path.clone())),
            _ => return Err(TextError::NoNameOrPath),
        };
        let mut text = Self {
            origin,
            language: source.language.clone(),
            home,
            max_bytes: source.max_bytes,
            held_out,
            identity: String::new(),
            documents: None,
        };
        text.identity = match &text.home {
            Home::Catalogue(cached) => hash_parts([&cached.hash, &source.max_bytes.to_string()]),
            Home::File(path) => {
                let path = path.clone();
                text.identify_file(&path, cache)?
            }
        };
        Ok(text)
    }

    fn identify_file(&mut self, path: &Path, cache: &Cache) -> Result<String, TextError> {
        let (size, modified_ns) = stamp(path)?;
        let absolute = std::path::absolute(path).map_err(TextError::read(path))?;
        let name = hash_parts([
            absolute.as_os_str().as_encoded_bytes(),
            self.max_bytes.to_string().as_bytes(),
        ]);
        let note = cache.path("files", &format!("{name}.json"));
        if let Some(known) = read_json::<Fingerprint>(&note)
            && (known.size, known.modified_ns) == (size, modified_ns)
        {
            return Ok(known.identity);
        }
        let now = SystemTime::now();
        let documents = user_file::documents(path, self.max_bytes)?;
        let identity = hash_parts(&documents);
        self.documents = Some(documents);
        let settled = now
            .duration_since(SystemTime::UNIX_EPOCH + Duration::from_nanos(modified_ns as u64))
            .is_ok_and(|age| age > RACY);
        if settled && stamp(path)? == (size, modified_ns) {
            cache.write_json(
                &note,
                &Fingerprint {
                    path: absolute,
                    size,
                    modified_ns,
                    identity: identity.clone(),
                },
            )?;
        }
        Ok(identity)
    }

    /// Catalogue name or path, for messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Language code.
    pub(crate) fn language(&self) -> &str {
        &self.language
    }

    /// Names the used text and where it is split.
    pub(crate) fn identity(&self) -> String {
        format!("{} held out {}", self.identity, self.held_out)
    }

    /// Training and held-out documents. The held-out ones are the tail, cut by bytes, if need
    /// be inside a document.
    pub(crate) fn split(&mut self) -> Result<(Vec<&str>, Vec<&str>), TextError> {
        if self.documents.is_none() {
            self.documents = Some(self.load()?);
        }
        let documents = self.documents.as_deref().unwrap_or_default();
        let total: usize = documents.iter().map(String::len).sum();
        let mut left = (total as f64 * (1.0 - self.held_out)) as usize;
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for document in documents {
            let cut = document.floor_char_boundary(left);
            left -= cut;
            if cut < document.len() {
                // A character may straddle the cut; nothing after it is trained on.
                left = 0;
            }
            let (before, after) = document.split_at(cut);
            train.extend((!before.is_empty()).then_some(before));
            held_out.extend((!after.is_empty()).then_some(after));
        }
        Ok((train, held_out))
    }

    fn load(&self) -> Result<Vec<String>, TextError> {
        match &self.home {
            Home::Catalogue(text) => Ok(truncate(read(text)?, self.max_bytes)),
            Home::File(path) => {
                let documents = user_file::documents(path, self.max_bytes)?;
                if hash_parts(&documents) == self.identity {
                    Ok(documents)
                } else {
                    Err(TextError::Changed { path: path.clone() })
                }
            }
        }
    }

    /// Frees the text; it is read again if needed.
    pub(crate) fn forget(&mut self) {
        self.documents = None;
    }
}

/// Size and modification time (nanoseconds since 1970).
fn stamp(path: &Path) -> Result<(u64, u128), TextError> {
    let metadata = fs::metadata(path).map_err(TextError::read(path))?;
    let modified = |m: &Metadata| {
        let since = m
            .modified()
            .ok()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        Some(since.as_nanos())
    };
    Ok((metadata.len(), modified(&metadata).unwrap_or(0)))
}

/// The first `max_bytes` of the documents (all for 0).
fn truncate(mut documents: Vec<String>, max_bytes: usize) -> Vec<String> {
    if max_bytes > 0 {
        let mut left = max_bytes;
        for document in &mut documents {
            let fits = document.floor_char_boundary(left);
            // Nothing comes after a document that did not fit whole.
            left = if fits < document.len() {
                0
            } else {
                left - fits
            };
            document.truncate(fits);
        }
        documents.retain(|document| !document.is_empty());
    }
    documents
}

#[cfg(test)]
mod tests;
