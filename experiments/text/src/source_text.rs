//! The text of one source, catalogue or user, read only when it has to be.
//!
//! A source is *identified* cheaply, by what was written down when it was read before; only a
//! source whose tokens are not cached is read.

mod stamp;
mod user_file;

use crate::cache::{content_hash, hash_parts, read_json};
use crate::fetch::{CachedText, cached, read};
use crate::{Cache, TextError, catalogue};
use experiments_config::Source;
use serde::{Deserialize, Serialize};
use stamp::Stamp;
use std::path::{Path, PathBuf};
use user_file::Documents;

pub(crate) use user_file::check_file;

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
    /// BLAKE3 hash (hex) of a file of the user.
    blake3: Option<String>,
    /// What is remembered of a file of the user.
    note: Option<PathBuf>,
    documents: Option<Vec<String>>,
}

/// What is remembered of a file of the user, in `files/`.
#[derive(Serialize, Deserialize)]
struct Fingerprint {
    path: PathBuf,
    stamp: Stamp,
    identity: String,
    blake3: String,
}

impl SourceText {
    /// Finds out which text this is, reading it only if it is a new or changed file of the user.
    /// A file whose content is not the one that the source asks for is refused.
    pub(crate) fn identify(
        source: &Source,
        held_out: f64,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
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
            blake3: None,
            note: None,
            documents: None,
        };
        match &text.home {
            Home::Catalogue(cached) => {
                text.identity = hash_parts([&cached.hash, &source.max_bytes.to_string()]);
            }
            Home::File(path) => {
                let path = path.clone();
                text.identify_file(&path, cache, progress)?;
                check_content(&path, source.blake3.as_deref(), text.blake3())?;
            }
        }
        Ok(text)
    }

    fn identify_file(
        &mut self,
        path: &Path,
        cache: &Cache,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), TextError> {
        check_file(path)?;
        let stamp = Stamp::of(path)?;
        let absolute = std::path::absolute(path).map_err(TextError::read(path))?;
        let note = note_of(cache, &absolute, self.max_bytes);
        if let Some(known) = read_json::<Fingerprint>(&note)
            && known.stamp == stamp
        {
            self.identity = known.identity;
            self.blake3 = Some(known.blake3);
            self.note = Some(note);
            return Ok(());
        }
        let settled = stamp.is_settled();
        let documents = user_file::documents(path, self.max_bytes)?;
        let blake3 = content_hash(path)?;
        if Stamp::of(path)? != stamp {
            return Err(TextError::Changed {
                path: path.to_owned(),
            });
        }
        say_replaced(path, &documents, progress);
        self.identity = hash_parts(&documents.texts);
        self.blake3 = Some(blake3.clone());
        self.documents = Some(documents.texts);
        if settled {
            let identity = self.identity.clone();
            let known = Fingerprint {
                path: absolute,
                stamp,
                identity,
                blake3,
            };
            cache.write_json(&note, &known)?;
        }
        Ok(())
    }

    /// BLAKE3 hash (hex) of the bytes of a file of the user.
    pub(crate) fn blake3(&self) -> Option<&str> {
        self.blake3.as_deref()
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
                let documents = user_file::documents(path, self.max_bytes)?.texts;
                if hash_parts(&documents) == self.identity {
                    return Ok(documents);
                }
                // What is remembered is wrong: the next command reads the file.
                if let Some(note) = &self.note {
                    let _ = std::fs::remove_file(note);
                }
                Err(TextError::Changed { path: path.clone() })
            }
        }
    }

    /// Frees the text; it is read again if needed.
    pub(crate) fn forget(&mut self) {
        self.documents = None;
    }
}

/// Where it is remembered what a file, given by its absolute path, holds.
fn note_of(cache: &Cache, path: &Path, max_bytes: usize) -> PathBuf {
    let name = hash_parts([
        path.as_os_str().as_encoded_bytes(),
        max_bytes.to_string().as_bytes(),
    ]);
    cache.path("files", &format!("{name}.json"))
}

/// Lone surrogates are no mistake of the user's, but the text is no longer quite what the file holds.
fn say_replaced(path: &Path, documents: &Documents, progress: &mut dyn FnMut(&str)) {
    let count = documents.replaced;
    if count > 0 {
        let (path, count) = (path.display(), words::counted(count, "lone surrogate"));
        progress(&format!(
            "`{path}`: {count} in `text`, which no text can hold, replaced by U+FFFD"
        ));
    }
}

/// Refuses a file that is not the one a configuration was made for.
pub(crate) fn check_content(
    path: &Path,
    wanted: Option<&str>,
    found: Option<&str>,
) -> Result<(), TextError> {
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted != found => Err(TextError::OtherContent {
            path: path.to_owned(),
            wanted: wanted.to_owned(),
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
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
