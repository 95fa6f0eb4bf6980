//! One set of the configuration: its file and how samples are made of its rows.

use super::locate::{data_folder, locate_in, refuse_evaluation_split};
use super::prompter::{Place, Prompter};
use super::{Prompt, TaskError, find};
use crate::TextError;
use crate::cache::hash_parts;
use crate::json_lines::{self, JsonLines, packing};
use crate::source_text::check_content;
use experiments_config::TaskSource;
use serde_json::{Map, Value};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What became of the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) rows: u64,
    /// Samples with a text and a target, before the cap.
    pub(super) found: u64,
    /// Samples without a text or without a target.
    pub(super) skipped: u64,
    /// Lone surrogates that became U+FFFD; 0 where the rows were read by another process.
    pub(super) replaced: u64,
}

/// A set that can be read.
pub(super) struct SetSource {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Most samples; `None` takes all.
    pub(super) cap: Option<u64>,
    /// `None`: the rows hold `text` and `targets`.
    prompter: Option<Prompter>,
    /// Hash of the templates.
    recipe: String,
    /// The hash that the file must have.
    pinned: Option<String>,
}

/// One row.
struct Row {
    fields: Map<String, Value>,
    /// Names of fields whose value is no JSON.
    unreadable: Vec<String>,
    /// Lone surrogates that became U+FFFD.
    replaced: u64,
}

impl SetSource {
    pub(super) fn new(source: &TaskSource) -> Result<Self, TextError> {
        Self::new_in(source, data_folder().as_deref())
    }

    pub(super) fn new_in(source: &TaskSource, root: Option<&Path>) -> Result<Self, TextError> {
        let own = (source.max_samples > 0).then_some(source.max_samples);
        let templates = |set: String, message| TaskError::Templates { set, message };
        let (name, path, cap, each, prompts) = match (&source.name, &source.path) {
            (Some(name), None) => {
                if source.input.is_some() || source.target.is_some() {
                    let message = "takes `input` and `target` with `path` only; a catalogue entry has its own templates";
                    return Err(templates(name.clone(), message).into());
                }
                let entry = find(name)?;
                let path = locate_in(entry, root)?;
                let built_in = entry.built_in.as_ref();
                let each = built_in.map_or(&[][..], |b| &b.each[..]);
                let prompts = built_in.map_or_else(Vec::new, |b| b.prompts.clone());
                (name.clone(), path, own.or(Some(entry.cap)), each, prompts)
            }
            (None, Some(path)) => {
                let name = path.display().to_string();
                let prompts = match (&source.input, &source.target) {
                    (Some(input), Some(target)) => vec![Prompt {
                        input: input.clone(),
                        target: target.clone(),
                    }],
                    (None, None) => Vec::new(),
                    _ => {
                        let message = "needs both templates, `input` and `target`, or neither";
                        return Err(templates(name, message).into());
                    }
                };
                (name, path.clone(), own, &[][..], prompts)
            }
            _ => return Err(TaskError::NameOrPath.into()),
        };
        check_file(&path, root)?;
        let mut parts = each.to_vec();
        parts.extend((prompts.iter()).flat_map(|p| [p.input.clone(), p.target.clone()]));
        let prompter = if prompts.is_empty() {
            None
        } else {
            Some(Prompter::new(&name, each, &prompts)?)
        };
        Ok(Self {
            name,
            path,
            cap,
            prompter,
            recipe: hash_parts(parts),
            pinned: source.blake3.clone(),
        })
    }

    /// BLAKE3 hash of the bytes of the file, which must be the one that the configuration pins.
    pub(super) fn file_hash(&self) -> Result<blake3::Hash, TextError> {
        let file = File::open(&self.path).map_err(TextError::read(&self.path))?;
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(file)
            .map_err(TextError::read(&self.path))?;
        let hash = hasher.finalize();
        check_content(&self.path, self.pinned.as_deref(), Some(&hash.to_hex()))?;
        Ok(hash)
    }

    /// Hash of everything that determines the samples, given the hash of the file.
    pub(super) fn identity(&self, file: blake3::Hash) -> String {
        let cap = self.cap.unwrap_or(u64::MAX).to_string();
        hash_parts([file.as_bytes(), self.recipe.as_bytes(), cap.as_bytes()])
    }

    /// Calls `visit` with text and target of every sample in the order of the file.
    pub(super) fn read(
        &self,
        mut visit: impl FnMut(String, String) -> Result<(), TextError>,
    ) -> Result<Counts, TextError> {
        let mut counts = Counts::default();
        let mut lines = JsonLines::open(&self.path)?;
        while let Some((line, text)) = lines.read()? {
            let place = Place {
                path: &self.path,
                line,
            };
            let row = row(text, line).map_err(|message| place.wrong(message))?;
            counts.rows += 1;
            counts.replaced += row.replaced;
            let samples = match &self.prompter {
                Some(prompter) => prompter.fill(row.fields, place),
                None => plain(row.fields)
                    .map(|sample| vec![sample])
                    .map_err(|message| place.wrong(message)),
            };
            let samples = samples.map_err(|error| error.beside(&row.unreadable))?;
            for (text, target) in samples {
                if text.trim().is_empty() || target.trim().is_empty() {
                    counts.skipped += 1;
                } else {
                    counts.found += 1;
                    visit(text, target)?;
                }
            }
        }
        if counts.found == 0 {
            return Err(TaskError::Empty {
                set: self.name.clone(),
                path: self.path.clone(),
                rows: counts.rows,
            }
            .into());
        }
        Ok(counts)
    }
}

fn check_file(path: &Path, root: Option<&Path>) -> Result<(), TextError> {
    let (plain, _) = packing(path);
    let ending = Path::new(&plain).extension().and_then(|e| e.to_str());
    if !matches!(ending, Some("jsonl" | "json")) {
        return Err(TaskError::FileKind {
            path: path.to_owned(),
        }
        .into());
    }
    refuse_evaluation_split(path, root)?;
    let file = File::open(path).map_err(TextError::read(path))?;
    let metadata = file.metadata().map_err(TextError::read(path))?;
    if !metadata.is_file() {
        let error = std::io::Error::other("it is not a file");
        return Err(TextError::read(path)(error));
    }
    Ok(())
}

/// The row that a line holds. A field whose value is no JSON is left out: it may be one that
/// nothing asks for.
fn row(text: &str, line: u64) -> Result<Row, String> {
    if line == 1 && text.starts_with('[') {
        return Err(
            "the file is one JSON list; expected one object per line, as `jq -c '.[]'` writes it"
                .to_owned(),
        );
    }
    let members = json_lines::members(text)
        .map_err(|error| format!("{error}; expected one JSON object per line"))?;
    let mut row = Row {
        fields: Map::new(),
        unreadable: Vec::new(),
        replaced: 0,
    };
    for (name, raw) in members {
        match json_lines::parse(raw) {
            Ok((value, replaced)) => {
                row.fields.insert(name.into_owned(), value);
                row.replaced += replaced;
            }
            Err(_) => row.unreadable.push(name.into_owned()),
        }
    }
    Ok(row)
}

/// `text` and `targets` of a row without templates, taken literally. Of a list of targets the
/// first one is taken; an empty list is an empty target.
fn plain(mut row: Map<String, Value>) -> Result<(String, String), String> {
    const EXPECTED: &str = "expected an object with a string `text` and `targets`, a string or a list of strings (other fields need the templates `input` and `target`)";
    let missing = |row: &Map<String, Value>, name: &str| {
        let fields = json_lines::listed(row.keys().map(String::as_str));
        format!("no field `{name}` (fields: {fields}); {EXPECTED}")
    };
    for name in ["text", "targets"] {
        if !row.contains_key(name) {
            return Err(missing(&row, name));
        }
    }
    let mut take = |name| row.remove(name).unwrap_or_default();
    let Value::String(text) = take("text") else {
        return Err(format!("`text` is not a string; {EXPECTED}"));
    };
    let target = match take("targets") {
        Value::Array(list) => list.into_iter().next().unwrap_or_else(|| "".into()),
        other => other,
    };
    match target {
        Value::String(target) => Ok((text, target)),
        _ => Err(format!("`targets` holds no string; {EXPECTED}")),
    }
}

#[cfg(test)]
mod tests;
