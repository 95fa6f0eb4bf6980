//! Which texts a run really uses: what is cached, can be got, or stands in for what cannot.

use crate::catalogue::{self, Entry, Manager};
use crate::fetch::{cached, get};
use crate::source_text::SourceText;
use crate::{Cache, TextError};
use experiments_config::{DataConfig, Source};
use std::path::{Path, PathBuf};

/// The sources that can be used, and what became of the others.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The data section with the texts that are there: write this into the run's configuration.
    pub data: DataConfig,
    /// Languages that were asked for and have no text.
    pub missing_languages: Vec<String>,
    /// One sentence per source that was replaced or dropped.
    pub notes: Vec<String>,
}

/// Makes sure that every source is there. A catalogue text that cannot be had is replaced by its
/// stand-in or dropped, and named in the result; a file of the user's own must be readable, since
/// a run on other text than the user asked for would be worse than none. Paths become absolute,
/// so that a run can be continued from another folder, and the content of the files is pinned
/// ([`Source::blake3`]).
///
/// Without `fetch` no package manager is run; stand-ins made from local files still are.
pub fn resolve_sources(
    data: &DataConfig,
    cache: &Cache,
    fetch: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<Resolved, TextError> {
    let mut sources: Vec<Source> = Vec::new();
    let mut notes = Vec::new();
    for source in &data.sources {
        if let Some(path) = &source.path {
            let path = absolute(path)?;
            let text = SourceText::identify(source, data.held_out, cache, progress)?;
            sources.push(Source {
                path: Some(path),
                blake3: text.blake3().map(str::to_owned),
                ..source.clone()
            });
        } else if let Some(name) = available(source, cache, fetch, &mut notes, progress)? {
            sources.push(Source {
                name: Some(name),
                ..source.clone()
            });
        }
    }
    if sources.is_empty() {
        return Err(TextError::NoText { notes });
    }
    let mut missing_languages: Vec<String> = Vec::new();
    for source in &data.sources {
        let language = &source.language;
        let found = sources.iter().any(|s| s.language == *language);
        if !found && !missing_languages.contains(language) {
            missing_languages.push(language.clone());
        }
    }
    Ok(Resolved {
        data: DataConfig {
            sources,
            held_out: data.held_out,
        },
        missing_languages,
        notes,
    })
}

/// A path that means the same from another folder and can be written into a configuration.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, TextError> {
    let path = experiments_config::settled(path).map_err(TextError::read(path))?;
    // TOML is UTF-8.
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(TextError::PathNotUtf8 { path }),
    }
}

/// The catalogue name under which the source's text, or its stand-in, is in the cache.
fn available(
    source: &Source,
    cache: &Cache,
    fetch: bool,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&str),
) -> Result<Option<String>, TextError> {
    let name = source.name.as_deref().ok_or(TextError::NoNameOrPath)?;
    let entry = catalogue::find(name)?;
    if entry.language != source.language {
        return Err(TextError::WrongLanguage {
            name: name.to_owned(),
            given: source.language.clone(),
            actual: entry.language.clone(),
        });
    }
    let reason = match obtain(entry, cache, fetch, progress) {
        Ok(()) => return Ok(Some(name.to_owned())),
        Err(error @ TextError::Cache { .. }) => return Err(error),
        Err(error) => error,
    };
    let Some(stand_in) = &entry.fallback else {
        notes.push(format!("{reason}; no text takes its place"));
        return Ok(None);
    };
    match obtain(catalogue::find(stand_in)?, cache, fetch, progress) {
        Ok(()) => {
            notes.push(format!("{reason}; `{stand_in}` takes its place"));
            Ok(Some(stand_in.clone()))
        }
        Err(error) => {
            notes.push(format!("{reason}; in its place, {error}"));
            Ok(None)
        }
    }
}

fn obtain(
    entry: &Entry,
    cache: &Cache,
    fetch: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<(), TextError> {
    if cached(entry, cache).is_none() {
        if !fetch && entry.manager != Manager::Cargo {
            return Err(TextError::NotCached {
                name: entry.name.clone(),
            });
        }
        get(entry, cache, progress)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
