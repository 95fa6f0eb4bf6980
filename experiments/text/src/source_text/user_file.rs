//! Files of the user's own: `.txt` (one document) and `.jsonl` (one document per line), each
//! also as `.gz` or `.zst`.

use crate::TextError;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    JsonLines,
}

/// Kind and compression (`gz`, `zst`) by the ending.
fn kind(path: &Path) -> Result<(Kind, Option<&'static str>), TextError> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let packed = ["gz", "zst"]
        .into_iter()
        .find(|e| name.ends_with(&format!(".{e}")));
    let plain = name
        .strip_suffix(packed.unwrap_or(""))
        .unwrap_or(&name)
        .trim_end_matches('.');
    match Path::new(plain).extension().and_then(|e| e.to_str()) {
        Some("txt") => Ok((Kind::Text, packed)),
        Some("jsonl") => Ok((Kind::JsonLines, packed)),
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

/// The documents of a file, `max_bytes` of text at most (all for 0).
pub(super) fn documents(path: &Path, max_bytes: usize) -> Result<Vec<String>, TextError> {
    check_file(path)?;
    let (kind, packed) = kind(path)?;
    let file = File::open(path).map_err(TextError::read(path))?;
    let reader: Box<dyn Read> = match packed {
        Some("gz") => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        Some(_) => Box::new(zstd::Decoder::new(file).map_err(TextError::read(path))?),
        None => Box::new(file),
    };
    let limit = if max_bytes == 0 {
        usize::MAX
    } else {
        max_bytes
    };
    let documents = match kind {
        Kind::Text => vec![text(path, reader, limit)?],
        Kind::JsonLines => json_lines(path, BufReader::new(reader), limit)?,
    };
    if documents.iter().all(|document| document.trim().is_empty()) {
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
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

fn json_lines(
    path: &Path,
    mut reader: impl BufRead,
    limit: usize,
) -> Result<Vec<String>, TextError> {
    let mut documents = Vec::new();
    let (mut used, mut offset, mut line) = (0, 0, 0);
    let mut bytes = Vec::new();
    while used < limit {
        bytes.clear();
        if reader
            .read_until(b'\n', &mut bytes)
            .map_err(TextError::read(path))?
            == 0
        {
            break;
        }
        line += 1;
        let text = std::str::from_utf8(&bytes).map_err(|error| TextError::NotUtf8 {
            path: path.to_owned(),
            offset: offset + error.valid_up_to() as u64,
            line,
        })?;
        let text = text
            .strip_prefix('\u{feff}')
            .filter(|_| line == 1)
            .unwrap_or(text);
        offset += bytes.len() as u64;
        if text.trim().is_empty() {
            continue;
        }
        let mut document = document(text).map_err(|message| TextError::JsonLine {
            path: path.to_owned(),
            line,
            message,
        })?;
        let fits = document.floor_char_boundary(limit - used);
        // Nothing comes after a document that did not fit whole.
        used = if fits < document.len() {
            limit
        } else {
            used + fits
        };
        document.truncate(fits);
        if !document.is_empty() {
            documents.push(document);
        }
    }
    Ok(documents)
}

/// The string `text` of one line.
fn document(line: &str) -> Result<String, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(mut fields)) => match fields.remove("text") {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err("`text` is not a string".to_owned()),
            None => {
                let names: Vec<_> = fields.keys().map(|key| format!("`{key}`")).collect();
                Err(format!("no field `text` (fields: {})", names.join(", ")))
            }
        },
        Ok(_) => Err("it is not an object".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}
