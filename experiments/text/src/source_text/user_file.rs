//! Files of the user's own: `.txt` (one document) and `.jsonl` (one document per line), each
//! also as `.gz` or `.zst`.

use crate::TextError;
use crate::json_lines::{self, BYTE_ORDER_MARK, JsonLines, open, packing};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    JsonLines,
}

/// Kind by the ending, before that of a compression.
fn kind(path: &Path) -> Result<Kind, TextError> {
    let (plain, _) = packing(path);
    match Path::new(&plain).extension().and_then(|e| e.to_str()) {
        Some("txt") => Ok(Kind::Text),
        Some("jsonl") => Ok(Kind::JsonLines),
        _ => Err(TextError::FileKind {
            path: path.to_owned(),
        }),
    }
}

/// Refuses a file that is absent, empty, no file or of an unknown kind, without reading it.
pub(crate) fn check_file(path: &Path) -> Result<(), TextError> {
    kind(path)?;
    let metadata = fs::metadata(path).map_err(TextError::read(path))?;
    if !metadata.is_file() {
        let error = std::io::Error::other("it is not a file");
        return Err(TextError::read(path)(error));
    }
    if metadata.len() == 0 {
        return Err(TextError::Empty {
            path: path.to_owned(),
        });
    }
    File::open(path).map_err(TextError::read(path)).map(drop)
}

/// What is used of a file.
#[derive(Debug)]
pub(super) struct Documents {
    pub(super) texts: Vec<String>,
    /// Lone surrogates that became U+FFFD.
    pub(super) replaced: u64,
}

/// The documents of a file, `max_bytes` of text at most (all for 0).
pub(super) fn documents(path: &Path, max_bytes: usize) -> Result<Documents, TextError> {
    check_file(path)?;
    let limit = if max_bytes == 0 {
        usize::MAX
    } else {
        max_bytes
    };
    let documents = match kind(path)? {
        Kind::Text => Documents {
            texts: vec![text(path, open(path)?, limit)?],
            replaced: 0,
        },
        Kind::JsonLines => json_lines(path, limit)?,
    };
    let mut texts = documents.texts.iter();
    if texts.all(|document| document.trim().is_empty()) {
        return Err(TextError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(documents)
}

fn text(path: &Path, reader: impl Read, limit: usize) -> Result<String, TextError> {
    let mut bytes = Vec::new();
    reader
        .take(limit as u64)
        .read_to_end(&mut bytes)
        .map_err(TextError::read(path))?;
    let was_cut = bytes.len() == limit;
    if let Err(error) = std::str::from_utf8(&bytes) {
        let valid = error.valid_up_to();
        // The limit may have cut the last character in two; anything else is no UTF-8.
        if !was_cut || error.error_len().is_some() {
            let line = bytes[..valid].split(|byte| *byte == b'\n').count();
            return Err(TextError::NotUtf8 {
                path: path.to_owned(),
                offset: valid as u64,
                line: line as u64,
            });
        }
        bytes.truncate(valid);
    }
    let text = String::from_utf8(bytes).expect("checked above");
    Ok(without_marks(text))
}

/// The text without the byte order marks at the start of its lines: it may be several files, one
/// after another.
fn without_marks(text: String) -> String {
    if !text.contains(BYTE_ORDER_MARK) {
        return text;
    }
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| line.trim_start_matches(BYTE_ORDER_MARK))
        .collect()
}

fn json_lines(path: &Path, limit: usize) -> Result<Documents, TextError> {
    let (mut texts, mut replaced) = (Vec::new(), 0);
    let mut used = 0;
    let mut lines = JsonLines::open(path)?;
    while used < limit {
        let Some((line, text)) = lines.read()? else {
            break;
        };
        let (mut document, lone) = document(text).map_err(|message| TextError::JsonLine {
            path: path.to_owned(),
            line,
            message,
        })?;
        replaced += lone;
        let fits = document.floor_char_boundary(limit - used);
        // Nothing comes after a document that did not fit whole.
        used = if fits < document.len() {
            limit
        } else {
            used + fits
        };
        document.truncate(fits);
        if !document.is_empty() {
            texts.push(document);
        }
    }
    Ok(Documents { texts, replaced })
}

/// The string `text` of one line, the last one where it is there twice, and how many lone surrogates
/// were replaced in it. No other field is read.
fn document(line: &str) -> Result<(String, u64), String> {
    let members = json_lines::members(line)?;
    match members.iter().rfind(|(name, _)| name == "text") {
        Some((_, raw)) if raw.starts_with('"') => {
            json_lines::string(raw).map_err(|error| format!("`text` is not JSON: {error}"))
        }
        Some(_) => Err("`text` is not a string".to_owned()),
        None => {
            let names = members.iter().map(|(name, _)| name.as_ref());
            Err(format!(
                "no field `text` (fields: {})",
                json_lines::listed(names)
            ))
        }
    }
}
